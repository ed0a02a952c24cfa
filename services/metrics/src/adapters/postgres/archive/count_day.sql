-- What is beyond 1e290, from before values were bounded, makes its sums infinite, and these say
-- nothing any more: the database would refuse to add what leaves the range of floats.
with leaving as (
    select tenant_id, count(*) as n,
           sum(case when abs(value) > float8 '1e290' then float8 'infinity' else value end) as value_sum,
           sum(case when abs(value) > float8 '1e290' then float8 'infinity' else abs(value) end)
               as magnitude,
           min(event_time) as min_time, max(event_time) as max_time
    from leaving_part
    group by tenant_id
), elsewhere as (
    select tenant_id, sum(n)::bigint as n
    from (
        select tenant_id, 1 as n from quarantined_events
        where event_time >= $1 and event_time < $1 + interval '1 day'
        union all
        select t.tenant_id, t.rows
        from archive_file_tenants t
        join archive_files f on f.day = t.day and f.edition = t.edition and f.part = t.part
        where f.day = $2 and f.answers
    ) rest
    group by tenant_id
), rolled as (
    select tenant_id, sum(n)::bigint as n from rollup_days where start_time = $1 group by tenant_id
)
select tenant_id, coalesce(leaving.n, 0) as leaving,
       coalesce(leaving.value_sum, 0) as value_sum, coalesce(leaving.magnitude, 0) as magnitude,
       leaving.min_time, leaving.max_time, coalesce(elsewhere.n, 0) as elsewhere,
       rolled.n as rolled_up
from leaving
full join elsewhere using (tenant_id)
full join rolled using (tenant_id)
order by tenant_id
