-- Why: what callers show besides a password: API keys, OAuth clients and the codes they redeem,
-- one-time codes and the recovery codes that stand in for them.
-- Locks: new objects only.

create table api_keys (
    tenant_id uuid not null,
    key_id uuid not null,
    name text not null,
    mode text not null,
    role text not null default 'service',
    -- Permissions with a space between two.
    scope text not null,
    -- Networks in CIDR notation; none: from everywhere.
    networks text[] not null default '{}',
    -- HMAC-SHA-256 under the master key.
    secret_hash bytea not null,
    -- The secret before the last, which goes on for a while.
    previous_hash bytea,
    previous_until timestamptz,
    created_by uuid not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    -- Written at most every five minutes.
    last_used_at timestamptz,
    rotated_at timestamptz,
    revoked_at timestamptz,
    constraint api_keys_pk primary key (tenant_id, key_id),
    -- For the look that comes before the tenant is known.
    constraint api_keys_id_unique unique (key_id),
    constraint api_keys_tenant_fk foreign key (tenant_id) references tenants (tenant_id),
    constraint api_keys_name_length check (char_length(name) between 1 and 100),
    constraint api_keys_mode check (mode in ('live', 'test')),
    constraint api_keys_role check (role = 'service'),
    constraint api_keys_networks_count check (cardinality(networks) <= 50),
    constraint api_keys_hash_length check (octet_length(secret_hash) = 32),
    constraint api_keys_previous_length check (octet_length(previous_hash) = 32),
    constraint api_keys_previous_ends check ((previous_hash is null) = (previous_until is null)),
    constraint api_keys_lifetime_max check (expires_at <= created_at + interval '366 days')
) with (fillfactor = 80);

create table oauth_clients (
    tenant_id uuid not null,
    client_id uuid not null,
    name text not null,
    kind text not null,
    -- HMAC-SHA-256 under the master key; public clients have none.
    secret_hash bytea,
    -- Compared character by character.
    redirect_uris text[] not null default '{}',
    scope text not null,
    created_by uuid not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    constraint oauth_clients_pk primary key (tenant_id, client_id),
    constraint oauth_clients_id_unique unique (client_id),
    constraint oauth_clients_tenant_fk foreign key (tenant_id) references tenants (tenant_id),
    constraint oauth_clients_name_length check (char_length(name) between 1 and 100),
    constraint oauth_clients_kind check (kind in ('confidential', 'public')),
    constraint oauth_clients_secret check ((kind = 'confidential') = (secret_hash is not null)),
    constraint oauth_clients_secret_length check (octet_length(secret_hash) = 32),
    constraint oauth_clients_redirect_uris_count check (cardinality(redirect_uris) <= 10)
);

create table authorization_codes (
    tenant_id uuid not null,
    code_hash bytea not null,
    client_id uuid not null,
    user_id uuid not null,
    redirect_uri text not null,
    -- SHA-256 of the verifier that redeems it.
    challenge bytea not null,
    scope text not null,
    -- When the user last showed a second factor in the login that gave the code.
    proof_at timestamptz,
    -- The login in which the user agreed: the code ends with it.
    agreed_in uuid not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    -- What it was redeemed for: a second use ends it.
    session_id uuid,
    constraint authorization_codes_pk primary key (tenant_id, code_hash),
    constraint authorization_codes_client_fk foreign key (tenant_id, client_id)
        references oauth_clients (tenant_id, client_id),
    constraint authorization_codes_user_fk foreign key (user_id)
        references users (user_id) on delete cascade,
    constraint authorization_codes_hash_length check (octet_length(code_hash) = 32),
    constraint authorization_codes_challenge_length check (octet_length(challenge) = 32),
    constraint authorization_codes_used check ((used_at is null) = (session_id is null))
);
-- For the sweep over all tenants.
create index authorization_codes_expired on authorization_codes (expires_at);

-- Users belong to no tenant, nor do their second factors: only the system role sees them.
create table totp (
    user_id uuid not null,
    -- The secret under the master key.
    secret_sealed bytea not null,
    -- When the first code of it was shown; until then it is asked of nobody.
    confirmed_at timestamptz,
    -- The time step of the last code that was taken: none works twice.
    last_step bigint,
    -- Guesses in a row that were not right.
    failures integer not null default 0,
    paused_until timestamptz,
    created_at timestamptz not null default now(),
    constraint totp_pk primary key (user_id),
    constraint totp_user_fk foreign key (user_id) references users (user_id) on delete cascade,
    constraint totp_failures_not_negative check (failures >= 0)
);

create table recovery_codes (
    user_id uuid not null,
    -- HMAC-SHA-256 under the master key.
    code_hash bytea not null,
    created_at timestamptz not null default now(),
    used_at timestamptz,
    constraint recovery_codes_pk primary key (user_id, code_hash),
    constraint recovery_codes_totp_fk foreign key (user_id)
        references totp (user_id) on delete cascade,
    constraint recovery_codes_hash_length check (octet_length(code_hash) = 32)
);

alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy api_keys_tenant on api_keys to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy api_keys_system on api_keys to tradepost_system using (true) with check (true);

alter table oauth_clients enable row level security;
alter table oauth_clients force row level security;
create policy oauth_clients_tenant on oauth_clients to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy oauth_clients_system on oauth_clients to tradepost_system
    using (true) with check (true);

alter table authorization_codes enable row level security;
alter table authorization_codes force row level security;
create policy authorization_codes_tenant on authorization_codes to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy authorization_codes_system on authorization_codes to tradepost_system
    using (true) with check (true);

alter table totp enable row level security;
alter table totp force row level security;
create policy totp_system on totp to tradepost_system using (true) with check (true);

alter table recovery_codes enable row level security;
alter table recovery_codes force row level security;
create policy recovery_codes_system on recovery_codes to tradepost_system
    using (true) with check (true);

grant select, insert, update on api_keys, oauth_clients to tradepost_app;
grant insert on authorization_codes to tradepost_app;
grant select, update on api_keys to tradepost_system;
-- Locking a row takes the right to change it.
grant select, update on oauth_clients to tradepost_system;
grant select, update, delete on authorization_codes to tradepost_system;
grant select, insert, update, delete on totp, recovery_codes to tradepost_system;
