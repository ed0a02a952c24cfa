-- The newest bucket of a range in which any tenant of a plan has anything: one look at the index for each.
select max(newest.start_time)
from tenants p
cross join lateral (
    select r.start_time from {table} r
    where r.tenant_id = p.tenant_id and r.start_time >= $2 and r.start_time < $3
    order by r.start_time desc limit 1
) newest
where p.plan = $1
