-- Why: one row per mutating request, so that its repetition gets the recorded answer.
-- Locks: new objects only.
create table platform.idempotency_keys (
    tenant_id uuid not null,
    operation text not null,
    request_id text not null,
    fingerprint bytea not null,
    response bytea,
    created_at timestamptz not null default now(),
    constraint idempotency_keys_pk primary key (tenant_id, operation, request_id),
    constraint idempotency_keys_operation_length check (char_length(operation) between 1 and 100),
    constraint idempotency_keys_request_id_length check (char_length(request_id) between 1 and 255),
    constraint idempotency_keys_fingerprint_length check (octet_length(fingerprint) = 32)
);

-- For the janitor, which prunes by age over all tenants: rows arrive in order of time, so a block
-- range index stays tiny. It is no b-tree, so the rule "tenant first" does not apply.
create index idempotency_keys_created_at on platform.idempotency_keys using brin (created_at);

alter table platform.idempotency_keys enable row level security;
alter table platform.idempotency_keys force row level security;

create policy tenant on platform.idempotency_keys to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy system on platform.idempotency_keys to tradepost_system
    using (true) with check (true);

grant usage on schema platform to tradepost_app, tradepost_system;
grant select, insert, update on platform.idempotency_keys to tradepost_app;
grant select, insert, update, delete on platform.idempotency_keys to tradepost_system;
