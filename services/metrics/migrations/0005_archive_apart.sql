-- Why: days that leave are in each other's way (ADR 36). Whoever moved one locked `leaving_events` with
-- all its partitions, and waited for the archiver to have read those of the others.
-- Locks: functions are replaced, which locks no table; a grant locks none either.

-- As in 0003; the partition that has the usual name is looked at first. What counts is its bounds.
create or replace function archive_partition(parent regclass, wanted date) returns regclass
    language sql stable
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set datestyle = 'ISO'
as $$
    select coalesce(
        (select part.oid
        from pg_class part
        join pg_inherits on pg_inherits.inhrelid = part.oid
        where part.relname = 'events_' || to_char(wanted, 'YYYY_MM_DD')
          and pg_inherits.inhparent = parent
          and pg_get_expr(part.relpartbound, part.oid) = format('FOR VALUES FROM (%L) TO (%L)',
              wanted::timestamptz, (wanted + 1)::timestamptz)),
        (select part.oid
        from pg_inherits
        join pg_class part on part.oid = pg_inherits.inhrelid
        where pg_inherits.inhparent = parent
          and pg_get_expr(part.relpartbound, part.oid) = format('FOR VALUES FROM (%L) TO (%L)',
              wanted::timestamptz, (wanted + 1)::timestamptz)))::regclass
$$;

-- The partition of a day that leaves, to be read; it is the archiver's until it is dropped or goes
-- back. Not to be called by anyone who shows events to others: they stand behind the lock.
create function archive_leaving(wanted date) returns text
    language plpgsql stable security definer
    set search_path = public, pg_temp
as $$
declare
    part regclass := archive_partition('leaving_events', wanted);
begin
    if part is null then
        raise exception 'the day % has no partition that leaves', wanted
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    return part;
end
$$;
revoke all on function archive_leaving(date) from public;
grant execute on function archive_leaving(date) to tradepost_system;

-- The four functions that lock `leaving_events` lock it alone, which is what readers of it have
-- locked, and not the partitions of other days. `events` likewise: it has hundreds of them.

-- As in 0003 otherwise, and the archiver may read the partition. It stays readable if it goes back
-- to `events`, which the same role may read as a whole.
create or replace function archive_detach(wanted date) returns void
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
        lock table only leaving_events in access exclusive mode;
        lock table only events in access exclusive mode;
        perform archive_hand_over(part, 'events', 'leaving_events', wanted);
        delete from event_days where day = wanted;
    else
        perform archive_make('leaving_events', wanted);
    end if;
    execute format('grant select on %s to tradepost_system',
        archive_partition('leaving_events', wanted));
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

create or replace function archive_drop(wanted date) returns void
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
    lock table only leaving_events in access exclusive mode;
    execute format('drop table %s', part);
    delete from archive_files
    where day = wanted and edition < this.edition and not answers;
    update archive_files set answers = true where day = wanted and edition = this.edition;
    update archive_days set state = 'dropped', swept = false, changed_at = now()
    where day = wanted;
end
$$;

create or replace function archive_give_back(wanted date, kept_until date) returns text
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
    lock table only leaving_events in access exclusive mode;
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

create or replace function archive_return_finish(wanted date, kept_until date) returns void
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
    lock table only leaving_events in access exclusive mode;
    perform archive_hand_over(part, 'returning_events', 'events', wanted);
    insert into event_days (day) values (wanted);
    update archive_files set answers = false where day = wanted and answers;
    update archive_days set state = 'restored', restored_until = kept_until, changed_at = now()
    where day = wanted;
end
$$;

-- Days that are on their way while this is applied.
do $$
declare
    part regclass;
begin
    for part in select inhrelid from pg_inherits where inhparent = 'leaving_events'::regclass
    loop
        execute format('grant select on %s to tradepost_system', part);
    end loop;
end
$$;
