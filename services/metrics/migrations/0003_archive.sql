-- Why: raw events past their age leave the database for files in an object store, verified before
-- anything is dropped, and can come back (ADR 36).
-- Locks: new objects; `events_prepare` is replaced, which locks no table.
--
-- At any moment an event is in exactly one of
--     events               its day is hot,
--     quarantined_events   its day has no partition,
--     leaving_events       its day is being exported: nobody writes it any more,
--     a file of archive_files with `answers`.
-- Whoever reads more than one of them does so in one transaction that begins with
-- `lock table leaving_events in access share mode`: partitions change sides behind its exclusive
-- lock, so none does while such a transaction lives.

-- Days on their way out, and back. All others are hot or never had a partition.
create table archive_days (
    day date not null,
    state text not null,
    -- Counts the exports of the day: late events make a further one, as does a day that was restored.
    edition integer not null default 0,
    -- Why it failed, for the operator.
    reason text,
    changed_at timestamptz not null default now(),
    -- A restored day goes again after this one; null: when it is told to.
    restored_until date,
    -- Whether all its objects in the store are in archive_files.
    swept boolean not null default true,
    constraint archive_days_pk primary key (day),
    constraint archive_days_state check (state in ('planned', 'detached', 'exported', 'verified',
        'dropped', 'failed', 'restoring', 'restored')),
    constraint archive_days_reason check ((state = 'failed') = (reason is not null)),
    constraint archive_days_edition_not_negative check (edition >= 0)
);

-- The manifest. A file is written once, in the order of tenant, time and id.
create table archive_files (
    day date not null,
    edition integer not null,
    part integer not null,
    -- Below `retention.store_url`.
    path text collate "C" not null,
    -- Which columns it has, and how: of `adapters/parquet`.
    format smallint not null,
    rows bigint not null,
    bytes bigint not null,
    sha256 bytea not null,
    min_time timestamptz not null,
    max_time timestamptz not null,
    -- Of the values, in the order of the rows.
    value_sum double precision not null,
    written_at timestamptz not null default now(),
    -- When it was read back from the store and was what the database had.
    verified_at timestamptz,
    -- Whether its events are nowhere else: set when their partition is dropped, taken back when it
    -- is restored.
    answers boolean not null default false,
    constraint archive_files_pk primary key (day, edition, part),
    constraint archive_files_path_unique unique (path),
    constraint archive_files_rows_positive check (rows > 0),
    constraint archive_files_sha256_length check (octet_length(sha256) = 32),
    constraint archive_files_answers_verified check (not answers or verified_at is not null)
);

-- Whose events a file has, so that a reader knows without opening it. `content` is the SHA-256 of
-- the tenant's rows in it as the database had them (`domain::archive`).
create table archive_file_tenants (
    tenant_id uuid not null,
    day date not null,
    edition integer not null,
    part integer not null,
    rows bigint not null,
    content bytea not null,
    constraint archive_file_tenants_pk primary key (tenant_id, day, edition, part),
    constraint archive_file_tenants_file foreign key (day, edition, part)
        references archive_files (day, edition, part) on delete cascade,
    constraint archive_file_tenants_rows_positive check (rows > 0)
);
create index archive_file_tenants_by_file on archive_file_tenants (day, edition, part);

-- Partitions of days that leave, and of days that come back. What is in the second is still in the
-- files too and answers nothing.
create table leaving_events (like events) partition by range (event_time);
create index leaving_events_by_time on leaving_events (tenant_id, event_time);
create table returning_events (like events) partition by range (event_time);
create index returning_events_by_time on returning_events (tenant_id, event_time);

do $$
declare
    name text;
begin
    foreach name in array array['archive_file_tenants', 'leaving_events', 'returning_events']
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

grant select on archive_files, archive_file_tenants, leaving_events to tradepost_app;
grant select, insert, update on archive_days to tradepost_system;
grant select, insert, update, delete on archive_files, archive_file_tenants to tradepost_system;
-- Nobody writes what leaves.
grant select on leaving_events to tradepost_system;
grant select, insert on returning_events to tradepost_system;

-- Below are the only ways to move, make or drop a partition. They run with their owner's rights,
-- and each does one thing to one day, if `archive_days` says that it is this thing's turn. Partitions
-- are found by their bounds, which are what rows obey, and never by name.

-- The partition of `parent` that is exactly this day; null: there is none.
create function archive_partition(parent regclass, wanted date) returns regclass
    language sql stable
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO'
as $$
    select part.oid::regclass
    from pg_inherits
    join pg_class part on part.oid = pg_inherits.inhrelid
    where pg_inherits.inhparent = parent
      and pg_get_expr(part.relpartbound, part.oid) = format('FOR VALUES FROM (%L) TO (%L)',
          wanted::timestamptz, (wanted + 1)::timestamptz)
$$;
revoke all on function archive_partition(regclass, date) from public;

-- Locks the day's row and fails unless the day is in one of these states.
create function archive_expect(wanted date, variadic states text[]) returns archive_days
    language plpgsql
    set search_path = public, pg_temp
as $$
declare
    row archive_days;
begin
    select * into row from archive_days where day = wanted for update;
    if row.state is null or row.state <> all (states) then
        raise exception 'the day % is %, not %', wanted, coalesce(row.state, 'not archived'),
            array_to_string(states, ' or ') using errcode = 'object_not_in_prerequisite_state';
    end if;
    return row;
end
$$;
revoke all on function archive_expect(date, text[]) from public;

-- An empty partition of one of the two side tables, closed as all partitions are.
create function archive_make(parent regclass, wanted date) returns void
    language plpgsql
    set search_path = public, pg_temp
    set timezone = 'UTC'
as $$
declare
    part text := 'events_' || to_char(wanted, 'YYYY_MM_DD');
begin
    execute format('create table %I (like events including defaults including constraints
        including indexes)', part);
    execute format('alter table %I add constraint archive_day
        check (event_time >= %L and event_time < %L)',
        part, wanted::timestamptz, (wanted + 1)::timestamptz);
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
    execute format('alter table %s attach partition %I for values from (%L) to (%L)',
        parent, part, wanted::timestamptz, (wanted + 1)::timestamptz);
end
$$;
revoke all on function archive_make(regclass, date) from public;

-- From one parent to another, without reading the rows: `archive_day` says already what the new
-- parent wants to know.
create function archive_hand_over(
    part regclass, giver regclass, taker regclass, wanted date
) returns void
    language plpgsql
    set search_path = public, pg_temp
    set timezone = 'UTC'
as $$
begin
    execute format('alter table %s detach partition %s', giver, part);
    execute format('alter table %s attach partition %s for values from (%L) to (%L)',
        taker, part, wanted::timestamptz, (wanted + 1)::timestamptz);
end
$$;
revoke all on function archive_hand_over(regclass, regclass, regclass, date) from public;

-- Promises of a planned day's partition what its bounds say anyhow, so that moving it reads nothing.
-- In two calls: the first locks the partition for a moment, the second reads it while it is written.
create function archive_promise(wanted date) returns boolean
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '250ms'
as $$
declare
    part regclass;
    valid boolean;
begin
    perform archive_expect(wanted, 'planned');
    part := archive_partition('events', wanted);
    if part is null then
        return true;
    end if;
    select convalidated into valid from pg_constraint
    where conrelid = part and conname = 'archive_day';
    if valid is null then
        execute format('alter table %s add constraint archive_day
            check (event_time >= %L and event_time < %L) not valid',
            part, wanted::timestamptz, (wanted + 1)::timestamptz);
        return false;
    end if;
    if not valid then
        execute format('alter table %s validate constraint archive_day', part);
    end if;
    return true;
end
$$;
revoke all on function archive_promise(date) from public;
grant execute on function archive_promise(date) to tradepost_system;

-- planned -> detached. Whoever stores events of the day holds its row of `event_days`; behind that
-- lock there is no event on its way. What waits in quarantine for the day comes along. A day
-- without a partition has nothing but that. Plain DETACH, which waits at most `lock_timeout`: what
-- queues behind it waits no longer than that.
create function archive_detach(wanted date) returns void
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '250ms'
as $$
declare
    part regclass;
begin
    perform archive_expect(wanted, 'planned');
    perform from event_days where day = wanted for update;
    if found then
        part := archive_partition('events', wanted);
        if part is null then
            raise exception 'the day % has no partition of exactly its bounds', wanted
                using errcode = 'object_not_in_prerequisite_state';
        end if;
        lock table leaving_events in access exclusive mode;
        lock table events in access exclusive mode;
        perform archive_hand_over(part, 'events', 'leaving_events', wanted);
        delete from event_days where day = wanted;
    else
        perform archive_make('leaving_events', wanted);
    end if;
    with gone as (
        delete from quarantined_events
        where event_time >= wanted::timestamptz and event_time < (wanted + 1)::timestamptz
        returning tenant_id, event_time, event_id, value, type_id, user_id
    )
    insert into leaving_events (tenant_id, event_time, event_id, value, type_id, user_id)
    select tenant_id, event_time, event_id, value, type_id, user_id from gone;
    update archive_days set state = 'detached', changed_at = now() where day = wanted;
end
$$;
revoke all on function archive_detach(date) from public;
grant execute on function archive_detach(date) to tradepost_system;

-- verified -> dropped. The rows are counted once more, against files that were all read back. From
-- its commit on the files answer; those of an edition that this one replaces are forgotten.
create function archive_drop(wanted date) returns void
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '250ms'
as $$
declare
    this archive_days := archive_expect(wanted, 'verified');
    part regclass := archive_partition('leaving_events', wanted);
    here bigint;
    there bigint;
begin
    select count(*) into here from leaving_events
    where event_time >= wanted::timestamptz and event_time < (wanted + 1)::timestamptz;
    select coalesce(sum(rows) filter (where verified_at is not null), 0) into there
    from archive_files where day = wanted and edition = this.edition;
    if part is null or here <> there then
        raise exception 'the day % has % rows, its verified files have %', wanted, here, there
            using errcode = 'data_exception';
    end if;
    lock table leaving_events in access exclusive mode;
    execute format('drop table %s', part);
    delete from archive_files
    where day = wanted and edition < this.edition and not answers;
    update archive_files set answers = true where day = wanted and edition = this.edition;
    update archive_days set state = 'dropped', swept = false, changed_at = now()
    where day = wanted;
end
$$;
revoke all on function archive_drop(date) from public;
grant execute on function archive_drop(date) to tradepost_system;

-- detached, exported, verified or failed -> restored, or dropped where older files answer: what was
-- leaving stays. Its files are forgotten.
create function archive_give_back(wanted date, kept_until date) returns text
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '250ms'
as $$
declare
    this archive_days :=
        archive_expect(wanted, 'detached', 'exported', 'verified', 'failed');
    part regclass := archive_partition('leaving_events', wanted);
    next_state text := 'restored';
begin
    if part is null then
        raise exception 'the day % has no partition of exactly its bounds', wanted
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    lock table leaving_events in access exclusive mode;
    if exists (select from archive_files where day = wanted and answers) then
        next_state := 'dropped';
        insert into quarantined_events (tenant_id, event_time, event_id, value, type_id, user_id)
        select tenant_id, event_time, event_id, value, type_id, user_id from leaving_events
        where event_time >= wanted::timestamptz and event_time < (wanted + 1)::timestamptz;
        execute format('drop table %s', part);
    else
        perform archive_hand_over(part, 'leaving_events', 'events', wanted);
        insert into event_days (day) values (wanted);
    end if;
    delete from archive_files where day = wanted and edition = this.edition;
    update archive_days
    set state = next_state, reason = null, swept = false, changed_at = now(),
        restored_until = kept_until
    where day = wanted;
    return next_state;
end
$$;
revoke all on function archive_give_back(date, date) from public;
grant execute on function archive_give_back(date, date) to tradepost_system;

-- dropped or restoring -> restoring: an empty partition on the side, in place of what an attempt
-- before had loaded.
create function archive_return_begin(wanted date) returns void
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '250ms'
as $$
declare
    part regclass;
begin
    perform archive_expect(wanted, 'dropped', 'restoring');
    part := archive_partition('returning_events', wanted);
    if part is not null then
        execute format('drop table %s', part);
    end if;
    perform archive_make('returning_events', wanted);
    update archive_days set state = 'restoring', changed_at = now() where day = wanted;
end
$$;
revoke all on function archive_return_begin(date) from public;
grant execute on function archive_return_begin(date) to tradepost_system;

-- restoring -> restored, once the rows are as many as the files have: from its commit on the
-- partition answers in their place.
create function archive_return_finish(wanted date, kept_until date) returns void
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '250ms'
as $$
declare
    part regclass := archive_partition('returning_events', wanted);
    here bigint;
    there bigint;
begin
    perform archive_expect(wanted, 'restoring');
    select count(*) into here from returning_events
    where event_time >= wanted::timestamptz and event_time < (wanted + 1)::timestamptz;
    select coalesce(sum(rows), 0) into there from archive_files where day = wanted and answers;
    if part is null or here <> there then
        raise exception 'the day % has % rows, its files have %', wanted, here, there
            using errcode = 'data_exception';
    end if;
    lock table leaving_events in access exclusive mode;
    perform archive_hand_over(part, 'returning_events', 'events', wanted);
    insert into event_days (day) values (wanted);
    update archive_files set answers = false where day = wanted and answers;
    update archive_days set state = 'restored', restored_until = kept_until, changed_at = now()
    where day = wanted;
end
$$;
revoke all on function archive_return_finish(date, date) from public;
grant execute on function archive_return_finish(date, date) to tradepost_system;

-- restoring -> dropped: what was loaded so far goes, the files answer as before.
create function archive_return_abandon(wanted date) returns void
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '250ms'
as $$
declare
    part regclass := archive_partition('returning_events', wanted);
begin
    perform archive_expect(wanted, 'restoring');
    if part is not null then
        execute format('drop table %s', part);
    end if;
    update archive_days set state = 'dropped', changed_at = now() where day = wanted;
end
$$;
revoke all on function archive_return_abandon(date) from public;
grant execute on function archive_return_abandon(date) to tradepost_system;

-- As in migration 0001, and a day that is archived gets no partition by it: its late events wait in
-- quarantine until the archiver takes them.
create or replace function events_prepare(first date, last date) returns integer
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
          and not exists (select from archive_days where day = d::date)
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
