-- Why: events by day, their rollups, which batches they came in, and which plan each tenant is on.
-- Locks: new objects only.

-- Which plan a tenant is on, for reports over the tenants of a plan. `plan_version` is 0 until
-- somebody says which; whoever comes with a higher one is right.
create table tenants (
    tenant_id uuid not null,
    plan text not null,
    plan_version bigint not null default 0,
    updated_at timestamptz not null default now(),
    constraint tenants_pk primary key (tenant_id),
    constraint tenants_plan_length check (octet_length(plan) <= 64),
    constraint tenants_plan_version_not_negative check (plan_version >= 0)
);

-- Event types have small numbers of their own in each tenant: two bytes a row instead of a name,
-- and no tenant uses up another's. 0 is the overflow type.
create table event_types (
    tenant_id uuid not null,
    type_id smallint not null,
    name text collate "C" not null,
    constraint event_types_pk primary key (tenant_id, type_id),
    constraint event_types_name_unique unique (tenant_id, name),
    constraint event_types_id_not_negative check (type_id >= 0),
    constraint event_types_name_length check (octet_length(name) between 1 and 64)
);
-- The report of one event type over all tenants.
create index event_types_by_name on event_types (name, tenant_id);

-- A batch that was stored. Whoever sends it again finds it here. One that has a key in place of a
-- producer's number stands as number 1 of `~` and a hash of the key, which no producer is called;
-- `content_hash` is the SHA-256 of what came with the key.
create sequence batch_numbers as bigint maxvalue 140737488355327;
create table batch_ledger (
    tenant_id uuid not null,
    producer_id text collate "C" not null,
    sequence bigint not null,
    batch_number bigint not null default nextval('batch_numbers'),
    stored_at timestamptz not null default now(),
    content_hash bytea,
    constraint batch_ledger_pk primary key (tenant_id, producer_id, sequence),
    constraint batch_ledger_sequence_positive check (sequence > 0),
    constraint batch_ledger_producer_length check (octet_length(producer_id) between 1 and 64),
    constraint batch_ledger_content_length check (octet_length(content_hash) = 32),
    constraint batch_ledger_key_has_content
        check (starts_with(producer_id, '~') = (content_hash is not null))
);
-- What is old is forgotten, over all tenants; rows come in this order.
create index batch_ledger_by_age on batch_ledger using brin (stored_at) with (pages_per_range = 32);

-- Up to where the ledger was forgotten: what is at or below counts as sent before. Keys have no rows
-- here: what is forgotten of them is forgotten.
create table producers (
    tenant_id uuid not null,
    producer_id text collate "C" not null,
    forgotten_through bigint not null,
    constraint producers_pk primary key (tenant_id, producer_id)
);

-- Single events, a partition a day of UTC. There is no default partition: it would be locked and
-- read whole by every attachment, and stand in the way of detaching.
-- `event_id` is the batch's number times 65,536 and the event's place in its batch.
create table events (
    tenant_id uuid not null,
    event_time timestamptz not null,
    event_id bigint not null,
    value double precision not null,
    type_id smallint not null,
    user_id text collate "C" not null
) partition by range (event_time);
-- A tenant's events of a range, newest first. It costs more than half of the time to store a row,
-- and is what drill-down needs. Not unique: the ledger is what keeps events from coming twice.
create index events_by_time on events (tenant_id, event_time);
-- A range over all tenants within a day: 48 kB for two million rows.
create index events_by_arrival on events using brin (event_time)
    with (pages_per_range = 32, autosummarize = on);

-- The days that have a partition. Whoever stores events holds the row, and whoever takes a
-- partition away locks it first: so no event meets a partition that is going.
create table event_days (
    day date not null,
    constraint event_days_pk primary key (day)
);

-- Events of days without a partition. They count in the rollups like all others, and move to
-- their day when it gets a partition.
create table quarantined_events (
    tenant_id uuid not null,
    event_time timestamptz not null,
    event_id bigint not null,
    value double precision not null,
    type_id smallint not null,
    user_id text collate "C" not null,
    constraint quarantined_events_pk primary key (tenant_id, event_time, event_id)
);

-- Sums by tenant, time and event type: minutes, hours and days of UTC. `users` and `sketch` are
-- `Distinct` and `Sketch` of crates/aggregation in their own byte forms, which are dense already:
-- `external` keeps them out of the way of compression. Free space on the pages lets an update that
-- touches no index stay on its page.
create table rollup_minutes (
    tenant_id uuid not null,
    start_time timestamptz not null,
    type_id smallint not null,
    n bigint not null,
    sum double precision not null,
    sum_of_squares double precision not null,
    min double precision not null,
    max double precision not null,
    users bytea not null,
    sketch bytea not null,
    constraint rollup_minutes_pk primary key (tenant_id, start_time, type_id),
    constraint rollup_minutes_n_positive check (n > 0)
) with (fillfactor = 70);
alter table rollup_minutes alter column users set storage external,
    alter column sketch set storage external;
create table rollup_hours (like rollup_minutes including storage) with (fillfactor = 70);
alter table rollup_hours
    add constraint rollup_hours_pk primary key (tenant_id, start_time, type_id),
    add constraint rollup_hours_n_positive check (n > 0);
create table rollup_days (like rollup_minutes including storage) with (fillfactor = 70);
alter table rollup_days
    add constraint rollup_days_pk primary key (tenant_id, start_time, type_id),
    add constraint rollup_days_n_positive check (n > 0);
-- Minutes and hours are forgotten by age, over all tenants.
create index rollup_minutes_by_age on rollup_minutes using brin (start_time);
create index rollup_hours_by_age on rollup_hours using brin (start_time);
-- The report over all tenants, newest day first. No sums in it: an update would have to touch it.
create index rollup_days_by_day on rollup_days (start_time desc, tenant_id, type_id);

do $$
declare
    name text;
begin
    foreach name in array array['tenants', 'event_types', 'batch_ledger', 'producers', 'events',
        'quarantined_events', 'rollup_minutes', 'rollup_hours', 'rollup_days']
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

-- Requests of a tenant read; everything is written by the system role, many tenants at once.
grant select on event_types, events, quarantined_events, rollup_minutes, rollup_hours, rollup_days
    to tradepost_app;
grant select, insert, update on tenants, producers to tradepost_system;
grant select, insert on event_types, events to tradepost_system;
grant select, insert, delete on batch_ledger, quarantined_events to tradepost_system;
grant select, insert, update, delete on rollup_minutes, rollup_hours, rollup_days
    to tradepost_system;
grant usage on sequence batch_numbers to tradepost_system;
-- To lock a row takes the right to change it.
grant select, update on event_days to tradepost_system;

-- Makes the partitions of the days from `first` to `last`, in UTC, and says how many were missing.
-- It runs with its owner's rights, because the roles that serve own no tables; all they can do by
-- it is make empty partitions. Nobody is granted anything on a partition: the way to its rows is
-- the parent.
create function events_prepare(first date, last date) returns integer
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
as $$
declare
    wanted date;
    part text;
    made integer := 0;
begin
    if last - first > 4000 then
        raise exception 'at most 4,000 days at once' using errcode = 'program_limit_exceeded';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('events_prepare', 0));
    for wanted in
        select d::date from generate_series(first::timestamp, last::timestamp, '1 day') as s (d)
        where not exists (select from event_days where day = d::date)
        order by 1
    loop
        part := 'events_' || to_char(wanted, 'YYYY_MM_DD');
        execute format('create table %I (like events including defaults including constraints
            including indexes)', part);
        execute format('alter table %I enable row level security', part);
        execute format('alter table %I force row level security', part);
        execute format(
            'create policy %I on %I to tradepost_app
                using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)
                with check
                    (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
            part || '_tenant', part);
        execute format(
            'create policy %I on %I to tradepost_system using (true) with check (true)',
            part || '_system', part);
        -- Attaching locks the parent less than `create table ... partition of`.
        execute format('alter table events attach partition %I for values from (%L) to (%L)',
            part, wanted::timestamptz, (wanted + 1)::timestamptz);
        insert into event_days (day) values (wanted);
        made := made + 1;
    end loop;
    return made;
end
$$;
revoke all on function events_prepare(date, date) from public;
grant execute on function events_prepare(date, date) to tradepost_system;

-- Makes the session's staging table, if it has none. COPY is refused where row-level security
-- applies, so rows are copied into this one, which no other session can see and no crash recovers,
-- and go on from there under the policies. With its owner's rights, because the system role may
-- make no tables, not even temporary ones.
create function events_stage() returns void
    language plpgsql security definer
    set search_path = public, pg_temp
as $$
begin
    if to_regclass('pg_temp.staged_events') is not null then
        return;
    end if;
    create temporary table staged_events (like events) on commit delete rows;
    grant select, insert on pg_temp.staged_events to tradepost_system;
end
$$;
revoke all on function events_stage() from public;
grant execute on function events_stage() to tradepost_system;
