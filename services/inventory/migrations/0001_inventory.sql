-- Why: the catalogue with its stock, the reservations that hold it, and the movements that explain it.
-- Locks: new objects only.

create table items (
    tenant_id uuid not null,
    sku text not null,
    name text not null,
    price_minor bigint not null,
    currency text not null,
    weight_grams bigint not null,
    active boolean not null,
    on_hand bigint not null default 0,
    reserved bigint not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint items_pk primary key (tenant_id, sku),
    constraint items_price_not_negative check (price_minor >= 0),
    constraint items_weight_not_negative check (weight_grams >= 0),
    -- No oversell: whatever a bug does, the database refuses it.
    constraint items_stock_covers_reserved check (on_hand >= reserved and reserved >= 0)
) with (fillfactor = 70);

-- One row a reservation, its items as two arrays in SKU order: it is written and read whole.
create table reservations (
    tenant_id uuid not null,
    reservation_id uuid not null,
    order_id uuid not null,
    state text not null,
    skus text[] not null,
    quantities bigint[] not null,
    expire_at timestamptz,
    reject_reason text,
    shortfalls jsonb,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint reservations_pk primary key (tenant_id, reservation_id),
    constraint reservations_state_known
        check (state in ('held', 'committed', 'released', 'expired', 'rejected')),
    constraint reservations_held_until check ((state = 'held') = (expire_at is not null)),
    constraint reservations_rejected_because
        check ((state = 'rejected') = (reject_reason is not null)),
    constraint reservations_items_paired check (cardinality(skus) = cardinality(quantities))
) with (fillfactor = 80);

-- Due reservations, over all tenants: only the sweeper of the system role reads it.
create index reservations_due on reservations (expire_at) where state = 'held';

create table stock_movements (
    tenant_id uuid not null,
    movement_id uuid not null,
    sku text not null,
    kind text not null,
    delta bigint not null,
    on_hand_after bigint not null,
    reference text not null,
    created_at timestamptz not null default now(),
    constraint stock_movements_pk primary key (tenant_id, movement_id),
    constraint stock_movements_kind_known
        check (kind in ('received', 'adjusted', 'written_off', 'sold', 'restocked')),
    constraint stock_movements_moves check (delta <> 0),
    constraint stock_movements_level check (on_hand_after >= 0)
);

-- Ids are time-ordered, so they are the order of the list too.
create index stock_movements_by_item on stock_movements (tenant_id, sku, movement_id desc);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed or deleted', tg_table_name
        using errcode = 'restrict_violation';
end
$$;
create trigger stock_movements_immutable before update or delete or truncate on stock_movements
    for each statement execute function refuse_change();

alter table items enable row level security;
alter table items force row level security;
create policy items_tenant on items to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy items_system on items to tradepost_system using (true) with check (true);

alter table reservations enable row level security;
alter table reservations force row level security;
create policy reservations_tenant on reservations to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy reservations_system on reservations to tradepost_system
    using (true) with check (true);

alter table stock_movements enable row level security;
alter table stock_movements force row level security;
create policy stock_movements_tenant on stock_movements to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy stock_movements_system on stock_movements to tradepost_system
    using (true) with check (true);

grant select, insert, update on items to tradepost_app, tradepost_system;
grant select on reservations to tradepost_app;
grant select, insert, update on reservations to tradepost_system;
grant select, insert on stock_movements to tradepost_app, tradepost_system;
