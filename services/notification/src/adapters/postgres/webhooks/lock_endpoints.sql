-- Endpoints with something due and room for it. An endpoint that is behind, or hangs, keeps nobody
-- else's from being found; chance keeps those that come first from always being so.
select e.tenant_id, e.endpoint_id
from webhook_endpoints e
where e.enabled
  and exists (
      select from webhook_deliveries d
      where d.tenant_id = e.tenant_id
        and d.endpoint_id = e.endpoint_id
        and d.state = 'pending'
        and d.next_attempt_at <= statement_timestamp()
        and (d.leased_until is null or d.leased_until <= statement_timestamp()))
  and (select count(*)
       from webhook_deliveries d
       where d.tenant_id = e.tenant_id
         and d.endpoint_id = e.endpoint_id
         and d.leased_until > statement_timestamp()) < $1
order by random()
limit $2
for no key update of e skip locked
