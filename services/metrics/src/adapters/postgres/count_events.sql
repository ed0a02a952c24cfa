-- How many events full days have, by their sums: also those of days that are archived.
select coalesce(sum(r.n), 0)::bigint
from rollup_days r
where r.tenant_id = $1 and r.start_time >= $2 and r.start_time < $3
  and ($4::text is null or r.type_id = (
      select type_id from event_types where tenant_id = $1 and name = $4 collate "C"))
