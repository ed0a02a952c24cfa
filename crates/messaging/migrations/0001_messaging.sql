-- Why: the outbox, the inbox, the retry rows and the parking place of one service.
--
-- These are infrastructure tables, keyed by a sequence or by (consumer, message), not by tenant:
-- the relay and the consumers work across tenants, in the order of the sequence. That is the one
-- exception from "tenant_id first in every key". Requests (tradepost_app) may only append messages
-- of their own tenant to the outbox; everything else belongs to tradepost_system.
--
-- Lock impact: new tables only.

create table messaging.outbox (
    seq bigint generated always as identity primary key,
    message_id uuid not null,
    tenant_id uuid not null,
    exchange text not null,
    routing_key text not null,
    mandatory boolean not null,
    kind text not null,
    correlation_id uuid not null,
    causation_id uuid,
    subject text not null,
    sequence bigint not null,
    occurred_at timestamptz not null,
    traceparent text,
    body bytea not null,
    created_at timestamptz not null default now(),
    -- How often the broker returned or refused it, and when to try again.
    refusals integer not null default 0,
    not_before timestamptz,
    -- AMQP short strings hold 255 bytes: what cannot be published must not be committed.
    constraint outbox_names_fit check (
        octet_length(routing_key) between 1 and 255 and octet_length(kind) between 1 and 255
    ),
    constraint outbox_body_fits check (octet_length(body) <= 1048576)
);

-- A queue: every row dies young, so vacuum by count and not by fraction.
alter table messaging.outbox set (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 20000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 2000,
    toast.autovacuum_vacuum_cost_delay = 0
);

create table messaging.inbox (
    consumer text not null,
    message_id uuid not null,
    tenant_id uuid not null,
    handled_at timestamptz not null default now(),
    constraint inbox_handled_once primary key (consumer, message_id)
);

-- The janitor prunes by age; rows arrive in that order, so a block range index is enough.
create index inbox_by_age on messaging.inbox using brin (handled_at);

create table messaging.retries (
    retry_id bigint generated always as identity primary key,
    queue text not null,
    dedup_key text not null,
    next_attempt_at timestamptz not null,
    attempts integer not null,
    fingerprint text not null,
    reason text not null,
    last_error text not null,
    headers jsonb not null,
    body bytea not null,
    created_at timestamptz not null default now(),
    constraint retries_one_per_message unique (queue, dedup_key)
);

create index retries_due on messaging.retries (next_attempt_at);

create table messaging.parked (
    parked_id bigint generated always as identity primary key,
    queue text not null,
    dedup_key text not null,
    fingerprint text not null,
    reason text not null,
    detail text not null,
    attempts integer not null,
    headers jsonb not null,
    body bytea not null,
    first_seen timestamptz not null default now(),
    last_seen timestamptz not null default now(),
    constraint parked_one_per_message unique (queue, dedup_key)
);

create index parked_by_fingerprint on messaging.parked (fingerprint);

alter table messaging.outbox enable row level security;
alter table messaging.outbox force row level security;
alter table messaging.inbox enable row level security;
alter table messaging.inbox force row level security;
alter table messaging.retries enable row level security;
alter table messaging.retries force row level security;
alter table messaging.parked enable row level security;
alter table messaging.parked force row level security;

create policy outbox_tenant_appends on messaging.outbox
    for insert to tradepost_app
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy outbox_system on messaging.outbox
    for all to tradepost_system using (true) with check (true);
create policy inbox_system on messaging.inbox
    for all to tradepost_system using (true) with check (true);
create policy retries_system on messaging.retries
    for all to tradepost_system using (true) with check (true);
create policy parked_system on messaging.parked
    for all to tradepost_system using (true) with check (true);

grant usage on schema messaging to tradepost_app, tradepost_system;
grant insert on messaging.outbox to tradepost_app;
grant select, insert, update, delete
    on messaging.outbox, messaging.inbox, messaging.retries, messaging.parked
    to tradepost_system;
