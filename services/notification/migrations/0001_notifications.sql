-- Why: streams of users and groups, memberships, and what was told (ADR 40, ADR 41).
-- Locks: new objects only.

-- Which history all sequences are of. One row; an operator replaces it after a restore from a
-- backup, because what was told since then never happened, and its numbers are given again.
create table epoch (
    only_row boolean not null default true,
    epoch text not null default replace(gen_random_uuid()::text, '-', ''),
    since timestamptz not null default now(),
    constraint epoch_pk primary key (only_row),
    constraint epoch_one_row check (only_row),
    constraint epoch_length check (octet_length(epoch) between 1 and 64)
);
insert into epoch default values;

-- Where the stream of a user stands. Whoever tells them something locks the row until commit, so
-- that sequences are committed in their order and without gaps. `last_at` is when the last one was
-- told, and never goes back either. Free space on the pages lets an update stay on its page.
create table user_streams (
    tenant_id uuid not null,
    user_id text collate "C" not null,
    last_seq bigint not null default 0,
    read_seq bigint not null default 0,
    last_at timestamptz not null default clock_timestamp(),
    constraint user_streams_pk primary key (tenant_id, user_id),
    constraint user_streams_user_length check (char_length(user_id) between 1 and 128),
    constraint user_streams_read_in_bounds check (read_seq between 0 and last_seq)
) with (fillfactor = 70);

-- The same of a group.
create table groups (
    tenant_id uuid not null,
    group_id text collate "C" not null,
    display_name text not null,
    last_seq bigint not null default 0,
    last_at timestamptz not null default clock_timestamp(),
    constraint groups_pk primary key (tenant_id, group_id),
    constraint groups_group_length check (octet_length(group_id) between 1 and 64),
    constraint groups_display_name_length check (char_length(display_name) <= 200),
    constraint groups_last_seq_not_negative check (last_seq >= 0)
) with (fillfactor = 70);

-- Memberships, with what of the group's stream is the member's: after `joined_after`, up to and with
-- `left_at_seq` (null while they are one). The times are those of the stream at these places, so that
-- history finds its piece by time. Who comes back after something was told to the others has a
-- further row. `stood` is where the stream stood at the last change, which `version` counts and
-- `tx` made.
create sequence member_versions as bigint;
create table members (
    tenant_id uuid not null,
    user_id text collate "C" not null,
    group_id text collate "C" not null,
    joined_after bigint not null,
    joined_at timestamptz not null,
    left_at_seq bigint,
    left_at timestamptz,
    read_seq bigint not null,
    stood bigint not null,
    version bigint not null default nextval('member_versions'),
    tx bigint not null default (pg_current_xact_id()::text::bigint),
    constraint members_pk primary key (tenant_id, user_id, group_id, joined_after),
    constraint members_group_fk foreign key (tenant_id, group_id)
        references groups (tenant_id, group_id),
    constraint members_left_whole check ((left_at_seq is null) = (left_at is null)),
    constraint members_left_after_joined check (left_at_seq >= joined_after),
    constraint members_read_after_joined check (read_seq >= joined_after)
);
-- One is a member of a group once.
create unique index members_current on members (tenant_id, group_id, user_id)
    where left_at_seq is null;
-- Nodes look at what has changed, of all tenants.
create index members_by_tx on members (tx);

-- What was told, a partition a month of UTC. What a group is told is one row, whatever the number of
-- its members. There is no default partition: it would be locked and read whole by every attachment.
-- `stream` is "user:" or "group:" and the id; within one, `created_at` never goes back as `seq` goes
-- on. `content` is json, not jsonb: it keeps every digit of a number. `tx` is the transaction that
-- told it, by which a node finds what it has not heard of, whatever was committed in which order.
create table notifications (
    tenant_id uuid not null,
    stream text collate "C" not null,
    created_at timestamptz not null,
    seq bigint not null,
    id uuid not null,
    tx bigint not null default (pg_current_xact_id()::text::bigint),
    content json not null,
    constraint notifications_pk primary key (tenant_id, stream, created_at, seq),
    constraint notifications_seq_positive check (seq > 0)
) partition by range (created_at);
-- A piece of a stream, for who was away.
create index notifications_by_seq on notifications (tenant_id, stream, seq);
-- Nodes look at what is new, of all tenants.
create index notifications_by_tx on notifications (tx);

-- The months that have a partition, by their first day.
create table notification_months (
    month date not null,
    constraint notification_months_pk primary key (month)
);

do $$
declare
    name text;
begin
    foreach name in array array['user_streams', 'groups', 'members', 'notifications']
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

grant select on epoch to tradepost_app;
grant select, update on epoch to tradepost_system;
grant select, insert, update on user_streams, groups, members to tradepost_app, tradepost_system;
grant delete on members to tradepost_system;
grant select, insert on notifications to tradepost_app, tradepost_system;
grant usage on sequence member_versions to tradepost_app, tradepost_system;
grant select on notification_months to tradepost_system;

-- Makes the partitions of the months from that of `first` to that of `last`, in UTC, and says how many
-- were missing. It runs with its owner's rights, because the roles that serve own no tables; all they
-- can do by it is make empty partitions. Nobody is granted anything on a partition: the way to its
-- rows is the parent.
create function notifications_prepare(first date, last date) returns integer
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
as $$
declare
    wanted date;
    part text;
    made integer := 0;
begin
    if last - first > 1000 then
        raise exception 'at most 1,000 days at once' using errcode = 'program_limit_exceeded';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('notifications_months', 0));
    for wanted in
        select m::date
        from generate_series(date_trunc('month', first::timestamp), last::timestamp, '1 month') as s (m)
        where not exists (select from notification_months where month = m::date)
        order by 1
    loop
        part := 'notifications_' || to_char(wanted, 'YYYY_MM');
        execute format('create table %I (like notifications including defaults including constraints
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
        execute format('alter table notifications attach partition %I for values from (%L) to (%L)',
            part, wanted::timestamptz, (wanted + interval '1 month')::timestamptz);
        insert into notification_months (month) values (wanted);
        made := made + 1;
    end loop;
    return made;
end
$$;
revoke all on function notifications_prepare(date, date) from public;
grant execute on function notifications_prepare(date, date) to tradepost_system;

-- Drops the oldest partition, if all of it is from before the month of `kept_from`, and says which month
-- that was. It waits for a lock of the parent, which is had at a moment when nobody writes or reads,
-- and gives up soon: nobody waits long behind it.
create function notifications_forget(kept_from date) returns date
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
    set lock_timeout = '1s'
as $$
declare
    oldest date;
begin
    if kept_from > current_date then
        raise exception 'the future is not forgotten' using errcode = 'program_limit_exceeded';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('notifications_months', 0));
    delete from notification_months
    where month = (select min(month) from notification_months)
      and month < date_trunc('month', kept_from::timestamp)::date
    returning month into oldest;
    if oldest is not null then
        execute format('drop table %I', 'notifications_' || to_char(oldest, 'YYYY_MM'));
    end if;
    return oldest;
end
$$;
revoke all on function notifications_forget(date) from public;
grant execute on function notifications_forget(date) to tradepost_system;

select notifications_prepare(current_date, (current_date + interval '3 months')::date);
