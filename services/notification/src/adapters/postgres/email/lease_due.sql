-- The caller holds the lock of those who take leases, and this is a statement of its own: it sees what
-- whoever had it before has taken. Tenants take turns: one that has much to send keeps nobody waiting.
with recursive tenants as (
    (select tenant_id from emails where state = 'pending' order by tenant_id limit 1)
    union all
    select (select e.tenant_id from emails e
            where e.state = 'pending' and e.tenant_id > t.tenant_id
            order by e.tenant_id limit 1)
    from tenants t
    where t.tenant_id is not null),
room as (
    select t.tenant_id,
           $1 - (select count(*) from emails e
                 where e.tenant_id = t.tenant_id
                   and e.leased_until > statement_timestamp()) as free
    from tenants t
    where t.tenant_id is not null),
due as materialized (
    select d.tenant_id, d.email_id
    from room
    cross join lateral (
        select e.tenant_id, e.email_id, e.next_attempt_at,
               row_number() over (order by e.next_attempt_at) as turn
        from emails e
        where e.tenant_id = room.tenant_id
          and e.state = 'pending'
          and e.next_attempt_at <= statement_timestamp()
          and (e.leased_until is null or e.leased_until <= statement_timestamp())
        order by e.next_attempt_at
        limit greatest(room.free, 0)) as d
    order by d.turn, d.next_attempt_at
    limit $2)
update emails e
set leased_until = clock_timestamp() + $3 * interval '1 millisecond', lease = e.lease + 1
from due
join emails of on of.tenant_id = due.tenant_id and of.email_id = due.email_id
join email_messages m on m.tenant_id = of.tenant_id and m.notification_id = of.notification_id
left join email_addresses a
    on a.tenant_id = of.tenant_id and a.user_id = of.user_id and a.refused_at is null
where e.tenant_id = due.tenant_id
  and e.email_id = due.email_id
  and e.state = 'pending'
returning e.tenant_id, e.email_id, e.user_id, e.lease, e.attempts, a.address, m.title, m.message,
    m.told_at
