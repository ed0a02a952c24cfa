-- The rollups that tenants of a plan have of these event types. Keys first, by the index alone: on the
-- way through a range it meets all event types, and only those asked for are read. `offset 0`
-- keeps the planner from reading all of them first.
select t.name, r.tenant_id, r.start_time, r.type_id, r.n, r.sum, r.sum_of_squares, r.min, r.max,
       r.users, r.sketch
from {tenants} p
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
