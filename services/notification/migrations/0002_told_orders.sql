-- Why: what happened to an order is told once, whatever message brings it, and however often.
-- Locks: new objects only.

-- What was told of which order. An order may need attention more than once: the occasion is then its
-- version, and 0 for what happens to an order once. A row is small and stays: facts may be sent round
-- again long after the inbox has forgotten their messages.
create table told_orders (
    tenant_id uuid not null,
    order_id uuid not null,
    kind text not null,
    occasion bigint not null,
    told_at timestamptz not null default now(),
    constraint told_orders_pk primary key (tenant_id, order_id, kind, occasion),
    constraint told_orders_kind check (length(kind) between 1 and 64)
);
alter table told_orders enable row level security;
alter table told_orders force row level security;
create policy told_orders_tenant on told_orders to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy told_orders_system on told_orders to tradepost_system using (true) with check (true);

grant select on told_orders to tradepost_app;
grant select, insert on told_orders to tradepost_system;

-- What a tenant has chosen. No row: what the configuration says.
create table tenant_settings (
    tenant_id uuid not null,
    locale text not null,
    constraint tenant_settings_pk primary key (tenant_id),
    constraint tenant_settings_locale check (length(locale) between 1 and 16)
);
alter table tenant_settings enable row level security;
alter table tenant_settings force row level security;
create policy tenant_settings_tenant on tenant_settings to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy tenant_settings_system on tenant_settings to tradepost_system
    using (true) with check (true);

grant select on tenant_settings to tradepost_app;
grant select, insert, update on tenant_settings to tradepost_system;
