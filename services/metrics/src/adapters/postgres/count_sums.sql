-- How many sums there are; no further than $5.
select count(*) from (
    select from {table} r
    where r.tenant_id = $1 and r.start_time >= $2 and r.start_time < $3
      and ($4::text[] is null or r.type_id = any (array (
          select type_id from event_types where tenant_id = $1 and name = any ($4))))
    limit $5
) counted
