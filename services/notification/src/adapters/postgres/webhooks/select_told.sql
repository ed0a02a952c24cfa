-- What was told, one row for a notification, of tenants who have an endpoint.
select n.tenant_id,
       n.id,
       min(n.created_at) as at,
       min(substr(n.stream, 7)) filter (where starts_with(n.stream, 'group:')) as group_id,
       count(*) filter (where starts_with(n.stream, 'user:')) as users_count,
       (array_agg(substr(n.stream, 6) order by n.stream)
           filter (where starts_with(n.stream, 'user:')))[1:$3] as users,
       min(n.content::text) as content
from notifications n
where n.tx >= $1
  and n.tx < $2
  and n.created_at >= (select not_before from webhook_cursor)
  and exists (select from webhook_endpoints e where e.tenant_id = n.tenant_id and e.enabled)
group by n.tenant_id, n.id
order by min(n.tx), min(n.created_at), n.id
