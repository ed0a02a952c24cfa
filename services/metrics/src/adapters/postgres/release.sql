-- Events whose day has got a partition go there. The days are held, so that none of them loses it
-- on the way.
with ready as (
    select d.day from event_days d
    where exists (
        select from quarantined_events q where (q.event_time at time zone 'UTC')::date = d.day)
    for key share of d
), chosen as (
    select q.tenant_id, q.event_time, q.event_id
    from quarantined_events q
    join ready r on r.day = (q.event_time at time zone 'UTC')::date
    limit $1
), gone as (
    delete from quarantined_events q
    using chosen c
    where q.tenant_id = c.tenant_id and q.event_time = c.event_time and q.event_id = c.event_id
    returning q.tenant_id, q.event_time, q.event_id, q.value, q.type_id, q.user_id
)
insert into events (tenant_id, event_time, event_id, value, type_id, user_id)
select tenant_id, event_time, event_id, value, type_id, user_id from gone
