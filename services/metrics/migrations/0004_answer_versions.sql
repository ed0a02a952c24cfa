-- Why: answers are cached under a version that every write changes, in its own transaction (ADR 35);
-- and what is known of producers is forgotten when nothing of theirs can count twice.
-- Locks: new objects; `producers` gets a column with a default and an index: short, it is small.
-- While code runs that is older than this migration, its writes change no version: a cached answer
-- may lag behind them until its time is up.

-- How often the sums of a tenant's day were changed. A question over some days has the sum of their
-- versions: it grows with each committed change, and two moments have the same sum only if nothing
-- was committed between them. A day without a row was never changed.
create table tenant_day_versions (
    tenant_id uuid not null,
    day date not null,
    version bigint not null,
    constraint tenant_day_versions_pk primary key (tenant_id, day),
    constraint tenant_day_versions_positive check (version > 0)
) with (fillfactor = 50);
alter table tenant_day_versions enable row level security;
alter table tenant_day_versions force row level security;
create policy tenant_day_versions_tenant on tenant_day_versions to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy tenant_day_versions_system on tenant_day_versions to tradepost_system
    using (true) with check (true);

-- The same of a day of all tenants, in parts, so that writers who commit at one time seldom wait for
-- each other: a writer takes the part of its connection. The day `-infinity` counts changes of plans.
create table day_versions (
    day date not null,
    part smallint not null,
    version bigint not null,
    constraint day_versions_pk primary key (day, part),
    constraint day_versions_positive check (version > 0)
) with (fillfactor = 50);

-- One row: which history the versions are of. Versions that begin again (another database behind
-- the same Redis, a copy that was restored) must not meet answers of the history before.
create table answer_history (
    only_row boolean not null default true,
    history uuid not null default gen_random_uuid(),
    constraint answer_history_pk primary key (only_row),
    constraint answer_history_only_row check (only_row)
);
insert into answer_history default values;

grant select on tenant_day_versions, answer_history to tradepost_app, tradepost_system;
grant insert, update on tenant_day_versions to tradepost_system;
grant select, insert, update on day_versions to tradepost_system;

-- The report finds the tenants of a plan in its own order.
create index tenants_by_plan on tenants (plan, tenant_id);

-- When the last batch was stored that this row stands for.
alter table producers add column last_stored_at timestamptz not null default now();
create index producers_by_age on producers (last_stored_at);
grant delete on producers to tradepost_system;
