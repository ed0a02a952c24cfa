-- A page of a tenant's event types, by name.
select type_id, name from event_types
where tenant_id = $1 and ($2::text[] is null or name = any($2))
  and ($3::text is null or name > $3 collate "C")
order by name limit $4
