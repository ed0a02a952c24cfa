-- In seconds; null: nothing is due that nobody is at.
with recursive tenants as (
    (select tenant_id from emails where state = 'pending' order by tenant_id limit 1)
    union all
    select (select e.tenant_id from emails e
            where e.state = 'pending' and e.tenant_id > t.tenant_id
            order by e.tenant_id limit 1)
    from tenants t
    where t.tenant_id is not null)
select extract(epoch from statement_timestamp() - min(d.next_attempt_at))::float8
from tenants t
cross join lateral (
    select e.next_attempt_at
    from emails e
    where e.tenant_id = t.tenant_id
      and e.state = 'pending'
      and e.next_attempt_at <= statement_timestamp()
      and (e.leased_until is null or e.leased_until <= statement_timestamp())
    order by e.next_attempt_at
    limit 1) as d
