-- Why: users say what may interrupt them, and by which channels they want to be told (ADR 46).
-- Locks: new objects only.

-- How a user wants to be told; no row: nobody has said anything. `quiet_start` and `quiet_end` are minutes
-- of the day in `quiet_zone`. `channel_rules` is a list of {"types": pattern, "channels": ["live", "email"]},
-- of which the first that matches counts; `wants_email` says that one of them names e-mail, by which the
-- e-mail channel finds its people. `tx` is the transaction that changed it, by which other nodes find
-- what they have not heard of.
create table user_preferences (
    tenant_id uuid not null,
    user_id text collate "C" not null,
    muted_types text[] collate "C" not null default '{}',
    quiet_start smallint,
    quiet_end smallint,
    quiet_zone text,
    channel_rules jsonb not null default '[]',
    wants_email boolean not null default false,
    revision bigint not null default 1,
    updated_at timestamptz not null default clock_timestamp(),
    tx bigint not null default (pg_current_xact_id()::text::bigint),
    constraint user_preferences_pk primary key (tenant_id, user_id),
    constraint user_preferences_user_length check (char_length(user_id) between 1 and 128),
    constraint user_preferences_muted_count check (cardinality(muted_types) <= 100),
    constraint user_preferences_quiet_whole
        check ((quiet_start is null) = (quiet_end is null) and (quiet_start is null) = (quiet_zone is null)),
    constraint user_preferences_quiet_in_day
        check (quiet_start between 0 and 1439 and quiet_end between 0 and 1439 and quiet_start <> quiet_end),
    constraint user_preferences_zone_length check (char_length(quiet_zone) between 1 and 64),
    constraint user_preferences_rules_list check (jsonb_typeof(channel_rules) = 'array'),
    constraint user_preferences_revision_positive check (revision > 0)
);
-- Nodes look at what has changed, of all tenants.
create index user_preferences_by_tx on user_preferences (tx);

alter table user_preferences enable row level security;
alter table user_preferences force row level security;
create policy user_preferences_tenant on user_preferences to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy user_preferences_system on user_preferences to tradepost_system
    using (true) with check (true);

grant select, insert, update on user_preferences to tradepost_app;
grant select on user_preferences to tradepost_system;
