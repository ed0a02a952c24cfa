-- Why: orders, their lines and their history, and the saga's state and timer in the order's row.
-- Locks: new objects only.

create table orders (
    tenant_id uuid not null,
    order_id uuid not null,
    customer_ref text not null,
    currency text not null,
    total_minor bigint not null,
    weight_grams bigint not null,
    line_count integer not null,
    unit_count bigint not null,
    payment_method text not null,
    shipping_address jsonb not null,
    traceparent text,
    saga_version integer not null,
    -- What the outside sees of the saga; follows from it.
    state text not null,
    saga jsonb not null,
    reject_reason text,
    attention_step text,
    attention_reason text,
    version bigint not null,
    deadline_at timestamptz,
    deadline_attempts integer not null default 0,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint orders_pk primary key (tenant_id, order_id),
    constraint orders_total_not_negative check (total_minor >= 0),
    constraint orders_version_positive check (version > 0),
    -- No live saga without a timer, unless it waits for a person.
    constraint orders_live_has_timer check (
        deadline_at is not null
        or state in ('delivered', 'cancelled', 'rejected', 'returned', 'needs_attention')
    )
) with (fillfactor = 80);

-- Due timers, over all tenants: only the sweeper of the system role reads it, hence not tenant first.
create index orders_due on orders (deadline_at) where deadline_at is not null;
create index orders_by_age on orders (tenant_id, created_at desc, order_id desc);
create index orders_by_customer on orders (tenant_id, customer_ref, created_at desc, order_id desc);
create index orders_by_state on orders (tenant_id, state, created_at desc, order_id desc);
create index orders_stuck on orders (tenant_id, created_at, order_id)
    where state = 'needs_attention';

-- Lines and events are only ever inserted together with their order by one statement, and nothing
-- is deleted: a foreign key would only cost a look-up a row.
create table order_lines (
    tenant_id uuid not null,
    order_id uuid not null,
    line_number integer not null,
    sku text not null,
    name text not null,
    quantity integer not null,
    unit_price_minor bigint not null,
    agreed_price boolean not null,
    constraint order_lines_pk primary key (tenant_id, order_id, line_number),
    constraint order_lines_quantity_positive check (quantity > 0),
    constraint order_lines_price_not_negative check (unit_price_minor >= 0)
);

create table order_events (
    tenant_id uuid not null,
    order_id uuid not null,
    version bigint not null,
    type text not null,
    state text not null,
    description text not null,
    -- The saga after the event; the first one also holds what was agreed.
    data jsonb not null,
    cause text not null,
    trace_id text not null,
    created_at timestamptz not null,
    constraint order_events_pk primary key (tenant_id, order_id, version),
    constraint order_events_version_positive check (version > 0)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed or deleted', tg_table_name
        using errcode = 'restrict_violation';
end
$$;
create trigger order_lines_immutable before update or delete or truncate on order_lines
    for each statement execute function refuse_change();
create trigger order_events_immutable before update or delete or truncate on order_events
    for each statement execute function refuse_change();

alter table orders enable row level security;
alter table orders force row level security;
create policy orders_tenant on orders to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy orders_system on orders to tradepost_system using (true) with check (true);

alter table order_lines enable row level security;
alter table order_lines force row level security;
create policy order_lines_tenant on order_lines to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy order_lines_system on order_lines to tradepost_system using (true) with check (true);

alter table order_events enable row level security;
alter table order_events force row level security;
create policy order_events_tenant on order_events to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy order_events_system on order_events to tradepost_system using (true) with check (true);

grant select, insert, update on orders to tradepost_app, tradepost_system;
grant select, insert on order_lines, order_events to tradepost_app, tradepost_system;
