-- A session and its first refresh token, if the user is active, a member, and the tenant is too.
with allowed as (
    select u.user_id, m.tenant_id, m.role
    from users u
    join memberships m on m.user_id = u.user_id and m.tenant_id = $3
    join tenants t on t.tenant_id = m.tenant_id
    where u.user_id = $2 and u.state = 'active' and t.state = 'active'
    for share of u, m, t
), opened as (
    insert into sessions
        (session_id, user_id, tenant_id, client_id, scope, device, address, proof_at, expires_at)
    select $1, user_id, tenant_id, $4, $5, '', $6, $7, now() + make_interval(secs => $8)
    from allowed
    returning session_id, created_at
), token as (
    insert into refresh_tokens (token_hash, session_id, expires_at)
    select $9, session_id, now() + make_interval(secs => least($8, $10))
    from opened
    returning expires_at
)
select allowed.role, opened.created_at, token.expires_at as refresh_expires_at
from allowed, opened, token
