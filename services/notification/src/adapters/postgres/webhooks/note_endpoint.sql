-- A success ends a row of failures; a failure begins one, and ends the endpoint if the row is too long.
update webhook_endpoints e
set failing_since = case when $3 then null else coalesce(e.failing_since, clock_timestamp()) end,
    enabled = e.enabled and n.reason is null,
    disabled_reason = coalesce(e.disabled_reason, n.reason),
    disabled_at = coalesce(e.disabled_at, case when n.reason is not null then clock_timestamp() end)
from (
    select tenant_id,
           endpoint_id,
           case
               when $4 then 'gone'
               when not $3 and failing_since < clock_timestamp() - $5 * interval '1 day'
                   then 'failing'
           end as reason
    from webhook_endpoints
    where tenant_id = $1 and endpoint_id = $2) as n
where e.tenant_id = n.tenant_id
  and e.endpoint_id = n.endpoint_id
  and e.enabled
  and (not $3 or e.failing_since is not null)
returning n.reason
