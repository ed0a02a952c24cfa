-- Events of these days, which are held, go there.
with chosen as (
    select q.tenant_id, q.event_time, q.event_id
    from quarantined_events q
    where (q.event_time at time zone 'UTC')::date = any($2)
    limit $1
), gone as (
    delete from quarantined_events q
    using chosen c
    where q.tenant_id = c.tenant_id and q.event_time = c.event_time and q.event_id = c.event_id
    returning q.tenant_id, q.event_time, q.event_id, q.value, q.type_id, q.user_id
)
insert into events (tenant_id, event_time, event_id, value, type_id, user_id)
select tenant_id, event_time, event_id, value, type_id, user_id from gone
