-- The endpoints are locked by the caller, and this is a statement of its own: it sees what whoever
-- had them before has taken.
with room as (
    select t.tenant_id,
           t.endpoint_id,
           $3 - (select count(*)
                 from webhook_deliveries d
                 where d.tenant_id = t.tenant_id
                   and d.endpoint_id = t.endpoint_id
                   and d.leased_until > statement_timestamp()) as free
    from unnest($1::uuid[], $2::uuid[]) as t (tenant_id, endpoint_id)),
due as materialized (
    select d.tenant_id, d.delivery_id
    from room
    cross join lateral (
        select d.tenant_id, d.delivery_id
        from webhook_deliveries d
        where d.tenant_id = room.tenant_id
          and d.endpoint_id = room.endpoint_id
          and d.state = 'pending'
          and d.next_attempt_at <= statement_timestamp()
          and (d.leased_until is null or d.leased_until <= statement_timestamp())
        order by d.next_attempt_at
        limit greatest(room.free, 0)) as d
    limit $4)
update webhook_deliveries d
set leased_until = clock_timestamp() + $5 * interval '1 millisecond', lease = d.lease + 1
from due
join webhook_deliveries of on of.tenant_id = due.tenant_id and of.delivery_id = due.delivery_id
join webhook_endpoints e on e.tenant_id = of.tenant_id and e.endpoint_id = of.endpoint_id
join webhook_messages m on m.tenant_id = of.tenant_id and m.message_id = of.message_id
where d.tenant_id = due.tenant_id and d.delivery_id = due.delivery_id
returning d.tenant_id, d.delivery_id, d.endpoint_id, d.message_id, d.lease, d.attempts, e.url,
    e.secret,
    case when e.previous_until > statement_timestamp() then e.previous_secret end
        as previous_secret,
    m.body
