-- Days with a partition that are past their age; restored days whose stay is over; and days past
-- their age that have late events, if they are dropped, or never had a partition.
select due.day
from (
    select d.day
    from event_days d
    left join archive_days a on a.day = d.day
    where a.day is null and d.day < $1
       or a.state = 'restored' and a.restored_until < $2
    union
    select late.day
    from (
        select distinct (q.event_time at time zone 'UTC')::date as day from quarantined_events q
    ) late
    left join archive_days a on a.day = late.day
    where a.state = 'dropped' and a.changed_at < $3
       or a.day is null and late.day < $1
          and not exists (select from event_days d where d.day = late.day)
) due
order by due.day
