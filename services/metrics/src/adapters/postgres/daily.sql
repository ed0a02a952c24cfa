-- Driven by the tenants, of whom there are few, into the rows of a few days.
with who as materialized (
    select p.tenant_id, t.type_id
    from tenants p
    left join event_types t on t.tenant_id = p.tenant_id and t.name = $2::text collate "C"
    where ($1::text is null or p.plan = $1) and ($2 is null or t.type_id is not null)
)
select r.start_time, r.tenant_id, sum(r.n)::bigint, sum(r.sum)
from who w
join rollup_days r on r.tenant_id = w.tenant_id and ($2 is null or r.type_id = w.type_id)
where r.start_time >= $3 and r.start_time < $4
  and ($5::timestamptz is null or r.start_time < $5 or r.tenant_id > $6)
group by r.start_time, r.tenant_id
order by r.start_time desc, r.tenant_id
limit $7
