-- The rollups that tenants of a plan have of these event types. Keys first, by the index alone: on the
-- way through a range it meets all event types, and only those asked for are read. `offset 0` as in
-- plan_sums.sql.
select t.name, r.tenant_id, r.start_time, r.type_id, r.n, r.sum, r.sum_of_squares, r.min, r.max,
       r.users, r.sketch
from (
    select tenant_id, array (
        select type_id from event_types e where e.tenant_id = p.tenant_id and e.name = any ($4)
    ) as types
    from tenants p where p.plan = $1
    offset 0
) p
cross join lateral (
    select k.tenant_id, k.start_time, k.type_id from {table} k
    where k.tenant_id = p.tenant_id and k.start_time >= $2 and k.start_time < $3
      and k.type_id = any (p.types)
    offset 0
) k
cross join lateral (
    select * from {table} r
    where r.tenant_id = k.tenant_id and r.start_time = k.start_time and r.type_id = k.type_id
    offset 0
) r
join event_types t on t.tenant_id = k.tenant_id and t.type_id = k.type_id
