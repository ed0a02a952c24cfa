-- Entries with their origins, and the heads of their chains, in one statement.
with entries as (
    select *
    from unnest(
        $1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
        $7::text[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::text[], $13::bytea[],
        $14::bytea[], $15::bytea[], $16::text[], $17::text[]
    ) as u (
        tenant_id, seq, recorded_at, actor, session, action, object, outcome, reason, trace_id,
        origin_digest, details, prev, hash, salt, address, user_agent
    )
), moved as (
    update audit_heads h
    set seq = u.seq, hash = u.hash, recorded_at = u.recorded_at
    from unnest($18::uuid[], $19::bigint[], $20::bytea[], $21::timestamptz[])
        as u (tenant_id, seq, hash, recorded_at)
    where h.tenant_id = u.tenant_id
), origins as (
    insert into audit_origins (tenant_id, seq, recorded_at, salt, address, user_agent)
    select tenant_id, seq, recorded_at, salt, address, user_agent
    from entries
    where origin_digest is not null
)
insert into audit_entries (
    tenant_id, seq, recorded_at, actor, session, action, object, outcome, reason, trace_id,
    origin_digest, details, prev, hash
)
select
    tenant_id, seq, recorded_at, actor, session, action, object, outcome, reason, trace_id,
    origin_digest, details::jsonb, prev, hash
from entries
