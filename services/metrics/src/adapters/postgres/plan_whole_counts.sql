-- How many rollups tenants of a plan have of these event types: keys alone.
select t.name, sum(r.rollups)::bigint
from {tenants} p
cross join lateral (
    select r.type_id, count(*) as rollups from {table} r
    where r.tenant_id = p.tenant_id and r.start_time >= $2 and r.start_time < $3
      and r.type_id = any (p.types)
    group by r.type_id
) r
join event_types t on t.tenant_id = p.tenant_id and t.type_id = r.type_id
group by t.name
