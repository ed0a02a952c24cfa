-- The lines of some days, where one day has few of them. Sums stand still at 1e290, as in daily.sql.
select d.start_time, p.tenant_id, d.n, d.sum
from tenants p
cross join lateral (
    select r.start_time, sum(r.n)::bigint as n,
           sum(least(greatest(r.sum, float8 '-1e290'), float8 '1e290')) as sum
    from rollup_days r
    where r.tenant_id = p.tenant_id and r.start_time >= $3 and r.start_time < $4
      and ($2::text is null or r.type_id = (
          select t.type_id from event_types t
          where t.tenant_id = p.tenant_id and t.name = $2 collate "C"))
    group by r.start_time
) d
where $1::text is null or p.plan = $1
order by d.start_time desc, p.tenant_id
limit $5
