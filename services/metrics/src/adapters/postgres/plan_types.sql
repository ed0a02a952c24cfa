-- A page of the event types that tenants of a plan have, by name: a few entries of the index of each.
select distinct t.name
from tenants p
cross join lateral (
    select e.name from event_types e
    where e.tenant_id = p.tenant_id and ($2::text[] is null or e.name = any ($2))
      and ($3::text is null or e.name > $3 collate "C")
    order by e.name limit $4
) t
where p.plan = $1
order by t.name limit $4
