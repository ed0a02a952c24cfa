-- How many rollups tenants of a plan have of these event types: keys alone. `offset 0` as in
-- plan_sums.sql.
select t.name, sum(r.rollups)::bigint
from (
    select tenant_id, array (
        select type_id from event_types e where e.tenant_id = p.tenant_id and e.name = any ($4)
    ) as types
    from tenants p where p.plan = $1
    offset 0
) p
cross join lateral (
    select r.type_id, count(*) as rollups from {table} r
    where r.tenant_id = p.tenant_id and r.start_time >= $2 and r.start_time < $3
      and r.type_id = any (p.types)
    group by r.type_id
) r
join event_types t on t.tenant_id = p.tenant_id and t.type_id = r.type_id
group by t.name
