-- Days that have got a partition and have events in quarantine, held so that none of them loses it.
-- A statement of its own: whoever stores or rebuilds takes days first and then quarantine, and one
-- that deletes from quarantine locks it before it looks at a day.
select d.day from event_days d
where exists (
    select from quarantined_events q where (q.event_time at time zone 'UTC')::date = d.day)
order by d.day
for key share of d
