-- The tenants of a plan, each with the numbers of those of its event types that are asked for. `offset 0`
-- keeps the planner from taking this apart: the numbers are found once for each tenant, and its range
-- alone is looked at in the index.
(
    select tenant_id, array (
        select type_id from event_types e where e.tenant_id = p.tenant_id and e.name = any ($4)
    ) as types
    from tenants p where p.plan = $1
    offset 0
)
