select t.name, r.tenant_id, r.start_time, r.type_id, r.n, r.sum, r.sum_of_squares, r.min, r.max,
       r.users, r.sketch
from {table} r
join event_types t on t.tenant_id = r.tenant_id and t.type_id = r.type_id
where r.tenant_id = $1 and r.start_time >= $2 and r.start_time < $3
  and ($4::text[] is null or r.type_id = any (array (
      select type_id from event_types where tenant_id = $1 and name = any ($4))))
  and ($5::timestamptz is null
      or r.start_time >= $5 and (r.start_time > $5 or t.name > $6::text collate "C"))
order by r.start_time, t.name
limit $7
