-- A session and its first refresh token.
with opened as (
    insert into sessions
        (session_id, user_id, tenant_id, client_id, scope, device, address, proof_at,
         created_at, last_used_at, expires_at)
    select $1, $2, $3, $4, $5, $6, $7, $8, at, at, at + $9 * interval '1 second'
    from (select clock_timestamp() as at) as c
    returning session_id, created_at, expires_at
), token as (
    insert into refresh_tokens (token_hash, session_id, issued_at, expires_at)
    select $10, session_id, created_at,
        least(created_at + $11 * interval '1 second', expires_at)
    from opened
    returning expires_at as refresh_expires_at
)
select created_at, refresh_expires_at from opened, token
