-- As top.sql, of all tenants of a plan by the names of their event types.
with sums as (
    select t.name, sum(s.n)::bigint as n, sum(s.sum) as sum
    from tenants p
    cross join lateral (
        select r.type_id, sum(r.n) as n,
               sum(least(greatest(r.sum, float8 '-1e290'), float8 '1e290')) as sum
        from rollup_days r
        where r.tenant_id = p.tenant_id and r.start_time >= $2 and r.start_time < $3
        group by r.type_id
    ) s
    join event_types t on t.tenant_id = p.tenant_id and t.type_id = s.type_id
    where p.plan = $1
    group by t.name
)
select name, n, sum from sums
order by case when $4 then n end desc, sum desc, name
limit $5
