-- Why: a ticket stands for the credentials it was got with, once, for a connection that is opened
-- within half a minute, at whichever process. It is taken by being deleted.
-- Locks: new objects only.

create table connection_tickets (
    tenant_id uuid not null,
    -- HMAC-SHA-256 under the master key.
    ticket_hash bytea not null,
    -- What the credentials said: who acts, as what, and with which permissions.
    subject text not null,
    role text not null,
    scope text not null,
    -- What they rest on.
    session_id uuid,
    token_id uuid,
    client_id uuid,
    -- When a second factor was last shown.
    proof_at timestamptz,
    issued_at timestamptz not null,
    -- When they run out, and with them the connection; none: they do not.
    credentials_expire_at timestamptz,
    created_at timestamptz not null default now(),
    -- When the ticket runs out.
    expires_at timestamptz not null,
    constraint connection_tickets_pk primary key (tenant_id, ticket_hash),
    -- For the look that comes before the tenant is known.
    constraint connection_tickets_hash_unique unique (ticket_hash),
    constraint connection_tickets_tenant_fk foreign key (tenant_id)
        references tenants (tenant_id),
    constraint connection_tickets_hash_length check (octet_length(ticket_hash) = 32)
);
-- For the sweep over all tenants.
create index connection_tickets_expired on connection_tickets (expires_at);

alter table connection_tickets enable row level security;
alter table connection_tickets force row level security;
create policy connection_tickets_tenant on connection_tickets to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy connection_tickets_system on connection_tickets to tradepost_system
    using (true) with check (true);

-- Whoever gives a ticket learns when it runs out, and reads nothing else of it.
grant insert, select (expires_at) on connection_tickets to tradepost_app;
grant select, delete on connection_tickets to tradepost_system;
