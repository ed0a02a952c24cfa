-- Why: one row a shipment, written whole: a document with the few columns that are searched by.
-- Locks: new objects only.

create table shipments (
    tenant_id uuid not null,
    shipment_id uuid not null,
    order_id uuid not null,
    state text not null,
    -- What the carrier does next, by the database's clock.
    due_at timestamptz,
    document jsonb not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint shipments_pk primary key (tenant_id, shipment_id),
    constraint shipments_state_known check (state in (
        'label_ready', 'handed_over', 'in_transit', 'out_for_delivery', 'delivered', 'exception',
        'returned_to_sender', 'lost', 'voided'))
) with (fillfactor = 70);

-- At most one parcel goes out for an order, whatever a bug asks for.
create unique index shipments_one_per_order on shipments (tenant_id, order_id)
    where state <> 'voided';
-- Due parcels, over all tenants: only the clock of the system role reads it.
create index shipments_due on shipments (due_at) where due_at is not null;

alter table shipments enable row level security;
alter table shipments force row level security;
create policy shipments_tenant on shipments to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy shipments_system on shipments to tradepost_system using (true) with check (true);

grant select, insert, update on shipments to tradepost_app, tradepost_system;
