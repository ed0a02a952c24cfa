-- Why: who may come in: tenants, users, memberships, sessions with their refresh tokens, the keys
-- that sign access tokens, and what was revoked before its time.
-- Locks: new objects only.

create table tenants (
    tenant_id uuid not null,
    name text not null,
    plan text not null,
    state text not null default 'active',
    features jsonb not null default '{}',
    -- Exact origins of the pages that may call for the tenant.
    cors_origins text[] not null default '{}',
    created_at timestamptz not null default now(),
    -- Every process reads what changed lately, hence always clock_timestamp().
    updated_at timestamptz not null default clock_timestamp(),
    constraint tenants_pk primary key (tenant_id),
    constraint tenants_name_length check (char_length(name) between 1 and 200),
    constraint tenants_plan check (plan in ('standard', 'plus', 'internal')),
    constraint tenants_state check (state in ('active', 'suspended')),
    constraint tenants_features_object check (jsonb_typeof(features) = 'object'),
    constraint tenants_cors_origins_count check (cardinality(cors_origins) <= 50)
);
-- For the poll over all tenants.
create index tenants_changed on tenants (updated_at);

-- A user belongs to no tenant: memberships say where they are what.
create table users (
    user_id uuid not null,
    -- Lower case, NFC.
    email text not null,
    -- Argon2id as a PHC string; null: cannot log in by password.
    password_hash text,
    state text not null default 'active',
    is_operator boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint users_pk primary key (user_id),
    constraint users_email_unique unique (email),
    constraint users_email_length check (char_length(email) between 3 and 254),
    constraint users_state check (state in ('active', 'disabled'))
);

create table memberships (
    tenant_id uuid not null,
    user_id uuid not null,
    role text not null,
    created_at timestamptz not null default now(),
    constraint memberships_pk primary key (tenant_id, user_id),
    constraint memberships_tenant_fk foreign key (tenant_id) references tenants (tenant_id),
    constraint memberships_user_fk foreign key (user_id) references users (user_id) on delete cascade,
    constraint memberships_role check (
        role in ('owner', 'admin', 'manager', 'support', 'customer', 'service')
    )
);
-- For the login, which comes before a tenant is known.
create index memberships_by_user on memberships (user_id);

create table sessions (
    session_id uuid not null,
    user_id uuid not null,
    -- Null for a platform operator.
    tenant_id uuid,
    client_id text not null,
    -- Permissions with a space between two; null: all that the role has.
    scope text,
    device text not null,
    address text not null,
    -- When a second factor was last shown.
    proof_at timestamptz,
    created_at timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    -- Absolute: no refresh extends it.
    expires_at timestamptz not null,
    revoked_at timestamptz,
    revoked_reason text,
    constraint sessions_pk primary key (session_id),
    constraint sessions_user_fk foreign key (user_id) references users (user_id) on delete cascade,
    constraint sessions_tenant_fk foreign key (tenant_id) references tenants (tenant_id),
    constraint sessions_device_length check (char_length(device) <= 200),
    constraint sessions_revoked_reason check ((revoked_at is null) = (revoked_reason is null))
);
create index sessions_by_user on sessions (user_id, created_at desc, session_id desc);
create index sessions_by_tenant on sessions (tenant_id, user_id) where revoked_at is null;
-- For the sweep.
create index sessions_expired on sessions (expires_at);

-- A session's tokens form a chain: each was used once and names its successor, the last is live.
create table refresh_tokens (
    -- SHA-256 of the token.
    token_hash bytea not null,
    session_id uuid not null,
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    successor_hash bytea,
    -- The successor itself, under a key derived from the used token: this table yields none.
    successor_sealed bytea,
    replays integer not null default 0,
    constraint refresh_tokens_pk primary key (token_hash),
    constraint refresh_tokens_session_fk foreign key (session_id)
        references sessions (session_id) on delete cascade,
    constraint refresh_tokens_hash_length check (octet_length(token_hash) = 32),
    constraint refresh_tokens_used check (
        (used_at is null) = (successor_hash is null)
        and (used_at is null) = (successor_sealed is null)
    )
);
create index refresh_tokens_by_session on refresh_tokens (session_id);
-- One live token a session, whatever races.
create unique index refresh_tokens_one_live on refresh_tokens (session_id) where used_at is null;
create index refresh_tokens_expired on refresh_tokens (expires_at);

create table signing_keys (
    kid text not null,
    algorithm text not null,
    -- PKCS#8 under the master key.
    private_sealed bytea not null,
    public_jwk jsonb not null,
    publish_at timestamptz not null default now(),
    sign_from timestamptz not null,
    sign_until timestamptz,
    retire_at timestamptz,
    constraint signing_keys_pk primary key (kid),
    constraint signing_keys_published_before_use check (publish_at <= sign_from),
    constraint signing_keys_retired_after_use check (retire_at >= sign_until)
);

-- What is no longer taken although it has not run out. Every process polls the last of them.
create table revocations (
    revocation_id bigint generated always as identity,
    kind text not null,
    subject text not null,
    -- What was issued before is revoked.
    issued_before timestamptz not null,
    -- When everything it concerns has run out by itself.
    expires_at timestamptz not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint revocations_pk primary key (revocation_id),
    constraint revocations_kind check (
        kind in ('token', 'session', 'user', 'member', 'tenant', 'key', 'client', 'all')
    )
);
create index revocations_created on revocations (created_at);
create index revocations_expired on revocations (expires_at);

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenants_tenant on tenants to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy tenants_system on tenants to tradepost_system using (true) with check (true);

alter table memberships enable row level security;
alter table memberships force row level security;
create policy memberships_tenant on memberships to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy memberships_system on memberships to tradepost_system using (true) with check (true);

alter table sessions enable row level security;
alter table sessions force row level security;
create policy sessions_tenant on sessions to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy sessions_system on sessions to tradepost_system using (true) with check (true);

-- A tenant sees those users that are members of it.
alter table users enable row level security;
alter table users force row level security;
create policy users_tenant on users for select to tradepost_app
    using (exists (
        select from memberships m
        where m.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid
          and m.user_id = users.user_id
    ));
create policy users_system on users to tradepost_system using (true) with check (true);

grant select on tenants, users to tradepost_app;
grant select, update, delete on memberships to tradepost_app;
grant select, update on sessions to tradepost_app;
grant insert on revocations to tradepost_app;
grant select, insert, update, delete on
    tenants, users, memberships, sessions, refresh_tokens, signing_keys, revocations
    to tradepost_system;
