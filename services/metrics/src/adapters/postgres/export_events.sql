select e.event_time, e.event_id,
       (select t.name from event_types t where t.tenant_id = $1 and t.type_id = e.type_id),
       e.user_id, e.value
from {table} e
where e.tenant_id = $1 and e.event_time >= $2 and e.event_time < $3
  and ($4::text is null or e.type_id = (
      select type_id from event_types where tenant_id = $1 and name = $4 collate "C"))
  and ($5::timestamptz is null or e.event_time >= $5 and (e.event_time, e.event_id) > ($5, $6))
order by e.event_time, e.event_id
limit $7
