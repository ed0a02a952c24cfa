-- Why: the audit trail. One chain of entries for each tenant and one of the platform, whose
-- tenant_id is the nil UUID. Entries are only ever inserted; whole months go when they are past
-- their time, by the owner of the tables alone (adr/0030).
-- Locks: new objects only.

-- The ends of the chains. Who appends locks its row first, so a chain has no gap and no fork.
create table audit_heads (
    tenant_id uuid not null,
    seq bigint not null,
    hash bytea not null,
    recorded_at timestamptz not null,
    constraint audit_heads_pk primary key (tenant_id),
    constraint audit_heads_seq_not_negative check (seq >= 0),
    constraint audit_heads_hash_length check (octet_length(hash) = 32)
) with (fillfactor = 50);

create table audit_entries (
    tenant_id uuid not null,
    seq bigint not null,
    recorded_at timestamptz not null,
    actor text not null,
    session text,
    action text not null,
    object text,
    outcome text not null,
    reason text,
    trace_id text,
    origin_digest bytea,
    details jsonb not null,
    prev bytea not null,
    hash bytea not null,
    -- The time is in it because PostgreSQL wants that of a partitioned table. That a place is
    -- taken once is the head's business, and the verifier's.
    constraint audit_entries_pk primary key (tenant_id, seq, recorded_at),
    constraint audit_entries_seq_positive check (seq > 0),
    constraint audit_entries_outcome_known
        check (outcome in ('attempted', 'succeeded', 'denied', 'failed')),
    constraint audit_entries_digest_length check (octet_length(origin_digest) = 32),
    constraint audit_entries_prev_length check (octet_length(prev) = 32),
    constraint audit_entries_hash_length check (octet_length(hash) = 32)
) partition by range (recorded_at);

create index audit_entries_by_actor on audit_entries (tenant_id, actor, seq);
create index audit_entries_by_action on audit_entries (tenant_id, action, seq);
create index audit_entries_by_object on audit_entries (tenant_id, object, seq)
    where object is not null;

-- Where entries came from: personal data, which may be erased. The chain holds salted digests.
create table audit_origins (
    tenant_id uuid not null,
    seq bigint not null,
    recorded_at timestamptz not null,
    salt bytea not null,
    address text,
    user_agent text,
    constraint audit_origins_pk primary key (tenant_id, seq, recorded_at)
) partition by range (recorded_at);

create function audit_refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed or deleted', tg_table_name
        using errcode = 'restrict_violation';
end
$$;

-- A head begins at nothing and goes forward.
create function audit_head_goes_forward() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' and new.seq = 0
        or tg_op = 'UPDATE' and new.tenant_id = old.tenant_id and new.seq > old.seq
            and new.recorded_at >= old.recorded_at
    then
        return new;
    end if;
    raise exception 'the head of a chain only goes forward'
        using errcode = 'restrict_violation';
end
$$;

create trigger audit_heads_go_forward before insert or update on audit_heads
    for each row execute function audit_head_goes_forward();
create trigger audit_heads_stay before delete or truncate on audit_heads
    for each statement execute function audit_refuse_change();
-- For each row: those are the triggers that partitions have of their parent.
create trigger audit_entries_immutable before update or delete on audit_entries
    for each row execute function audit_refuse_change();
create trigger audit_entries_stay before truncate on audit_entries
    for each statement execute function audit_refuse_change();
create trigger audit_origins_immutable before update on audit_origins
    for each row execute function audit_refuse_change();

alter table audit_heads enable row level security;
alter table audit_heads force row level security;
create policy audit_heads_tenant on audit_heads to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy audit_heads_system on audit_heads to tradepost_system using (true) with check (true);

alter table audit_entries enable row level security;
alter table audit_entries force row level security;
create policy audit_entries_tenant on audit_entries to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy audit_entries_system on audit_entries to tradepost_system
    using (true) with check (true);

alter table audit_origins enable row level security;
alter table audit_origins force row level security;
create policy audit_origins_tenant on audit_origins to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy audit_origins_system on audit_origins to tradepost_system
    using (true) with check (true);

grant select, insert, update (seq, hash, recorded_at) on audit_heads
    to tradepost_app, tradepost_system;
grant select, insert on audit_entries, audit_origins to tradepost_app, tradepost_system;
-- Erasure.
grant delete on audit_origins to tradepost_system;

-- Makes the partitions of this month and of the months ahead, in UTC. It runs with its owner's
-- rights, because the roles that serve own no tables; all they can do by it is make empty
-- partitions. Nobody is granted anything on a partition: the way to its rows is the parent.
create function audit_prepare(months_ahead integer) returns void
    language plpgsql security definer
    set search_path = public, pg_temp
    set timezone = 'UTC'
as $$
declare
    parent text;
    part text;
    first timestamptz;
begin
    perform pg_advisory_xact_lock(hashtextextended('audit_prepare', 0));
    for ahead in 0 .. least(months_ahead, 24) loop
        first := date_trunc('month', now()) + make_interval(months => ahead);
        foreach parent in array array['audit_entries', 'audit_origins'] loop
            part := parent || to_char(first, '_YYYY_MM');
            continue when to_regclass(part) is not null;
            execute format('create table %I (like %I including defaults including constraints)',
                part, parent);
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
            if parent = 'audit_entries' then
                execute format(
                    'create trigger %I before truncate on %I
                        for each statement execute function audit_refuse_change()',
                    part || '_stay', part);
            end if;
            -- Attaching locks the parent less than `create table ... partition of`.
            execute format('alter table %I attach partition %I for values from (%L) to (%L)',
                parent, part, first, first + interval '1 month');
        end loop;
    end loop;
end
$$;
revoke all on function audit_prepare(integer) from public;
grant execute on function audit_prepare(integer) to tradepost_system;

select audit_prepare(12);
