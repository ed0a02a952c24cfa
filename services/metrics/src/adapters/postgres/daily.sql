select r.start_time, r.tenant_id, sum(r.n)::bigint, sum(r.sum)
from rollup_days r
join tenants p on p.tenant_id = r.tenant_id
where r.start_time >= $3 and r.start_time < $4
  and ($1::text is null or p.plan = $1)
  and ($2::text is null or exists (
      select from event_types t
      where t.tenant_id = r.tenant_id and t.type_id = r.type_id and t.name = $2 collate "C"))
  and ($5::timestamptz is null or r.start_time < $5 or r.tenant_id > $6)
group by r.start_time, r.tenant_id
order by r.start_time desc, r.tenant_id
limit $7
