-- Why: a tenant's own systems hear what its people are told (ADR 44).
-- Locks: new objects only.

-- Where they hear it. `secret` signs and is needed as it is; `previous_secret` signs too until
-- `previous_until`. `enabled_at`: what was told before is not for this endpoint. `failing_since`: since
-- when every attempt has failed. `secret_request`: the request that made the secret, which is told it again.
create table webhook_endpoints (
    tenant_id uuid not null,
    endpoint_id uuid not null,
    url text not null,
    types text[] collate "C" not null,
    description text not null,
    secret text not null,
    secret_request text not null,
    previous_secret text,
    previous_until timestamptz,
    enabled boolean not null default true,
    enabled_at timestamptz not null default clock_timestamp(),
    disabled_reason text,
    disabled_at timestamptz,
    failing_since timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    constraint webhook_endpoints_pk primary key (tenant_id, endpoint_id),
    constraint webhook_endpoints_url_length check (char_length(url) between 1 and 2048),
    constraint webhook_endpoints_types_count check (cardinality(types) between 1 and 32),
    constraint webhook_endpoints_description_length check (char_length(description) <= 200),
    constraint webhook_endpoints_previous_whole
        check ((previous_secret is null) = (previous_until is null)),
    constraint webhook_endpoints_disabled_reason_known
        check (disabled_reason in ('asked', 'gone', 'failing')),
    constraint webhook_endpoints_disabled_whole
        check (enabled = (disabled_reason is null) and enabled = (disabled_at is null))
) with (fillfactor = 70);

-- What is sent, byte for byte in each attempt and to each endpoint: one row for a notification.
create table webhook_messages (
    tenant_id uuid not null,
    message_id uuid not null,
    type text not null,
    body text not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint webhook_messages_pk primary key (tenant_id, message_id)
);

-- To whom, and what came of it. `leased_until`: somebody is at it, or was and crashed; `lease` counts
-- who took it, so that whoever was too slow cannot note what came of it any more.
create table webhook_deliveries (
    tenant_id uuid not null,
    delivery_id uuid not null,
    endpoint_id uuid not null,
    message_id uuid not null,
    state text not null default 'pending',
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default clock_timestamp(),
    leased_until timestamptz,
    lease integer not null default 0,
    last_attempt_at timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    constraint webhook_deliveries_pk primary key (tenant_id, delivery_id),
    constraint webhook_deliveries_once unique (tenant_id, endpoint_id, message_id),
    constraint webhook_deliveries_endpoint_fk foreign key (tenant_id, endpoint_id)
        references webhook_endpoints (tenant_id, endpoint_id) on delete cascade,
    constraint webhook_deliveries_message_fk foreign key (tenant_id, message_id)
        references webhook_messages (tenant_id, message_id),
    constraint webhook_deliveries_state_known check (state in ('pending', 'delivered', 'failed')),
    constraint webhook_deliveries_attempts_not_negative check (attempts >= 0)
) with (fillfactor = 70);
-- What is due at an endpoint; an endpoint that is behind keeps nobody else's from being found.
create index webhook_deliveries_due on webhook_deliveries (tenant_id, endpoint_id, next_attempt_at)
    where state = 'pending';
-- What somebody is at.
create index webhook_deliveries_leased on webhook_deliveries (tenant_id, endpoint_id, leased_until)
    where leased_until is not null;
-- An endpoint's list, newest first.
create index webhook_deliveries_listed
    on webhook_deliveries (tenant_id, endpoint_id, created_at, delivery_id);
-- The foreign key's way back.
create index webhook_deliveries_by_message on webhook_deliveries (tenant_id, message_id);
-- Housekeeping looks at what is old, of all tenants.
create index webhook_deliveries_by_age on webhook_deliveries (created_at);
create index webhook_messages_by_age on webhook_messages (created_at);

-- Up to where the history was followed: everything of transactions before `tx` was seen. One row,
-- whose lock is the right to follow. After a restore into another cluster transactions count from
-- another number: then `not_before` keeps out what was told before.
create table webhook_cursor (
    only_row boolean not null default true,
    tx bigint not null default (pg_snapshot_xmin(pg_current_snapshot())::text::bigint),
    not_before timestamptz not null default '-infinity',
    constraint webhook_cursor_pk primary key (only_row),
    constraint webhook_cursor_one_row check (only_row)
);
insert into webhook_cursor default values;

do $$
declare
    name text;
begin
    foreach name in array array['webhook_endpoints', 'webhook_messages', 'webhook_deliveries']
    loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy %I on %I to tradepost_app
                using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)
                with check
                    (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
            name || '_tenant', name);
        execute format(
            'create policy %I on %I to tradepost_system using (true) with check (true)',
            name || '_system', name);
    end loop;
end
$$;

grant select, insert, update, delete on webhook_endpoints to tradepost_app;
grant select, insert on webhook_messages to tradepost_app;
grant select, insert, update, delete on webhook_deliveries to tradepost_app;
grant select, update on webhook_endpoints to tradepost_system;
grant select, insert, delete on webhook_messages to tradepost_system;
grant select, insert, update, delete on webhook_deliveries to tradepost_system;
grant select, update on webhook_cursor to tradepost_system;
