-- Why: users are told by e-mail what they want to be told so (ADR 48).
-- Locks: new objects, and an index on the table of 0004.

-- Where users read e-mail: the only place that holds it. `refused_at`: the mail server refused the address
-- for good; it is sent nothing until one is put again.
create table email_addresses (
    tenant_id uuid not null,
    user_id text collate "C" not null,
    address text not null,
    refused_at timestamptz,
    updated_at timestamptz not null default clock_timestamp(),
    constraint email_addresses_pk primary key (tenant_id, user_id),
    constraint email_addresses_user_length check (char_length(user_id) between 1 and 128),
    constraint email_addresses_address_length check (octet_length(address) between 3 and 254)
);

-- What is sent, as it was told: one row for a notification.
create table email_messages (
    tenant_id uuid not null,
    notification_id uuid not null,
    type text not null,
    title text not null,
    message text not null,
    told_at timestamptz not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint email_messages_pk primary key (tenant_id, notification_id)
);

-- To whom, and what came of it. It holds no address: that is looked up when it is sent. `leased_until`:
-- somebody is at it, or was and crashed; `lease` counts who took it, so that whoever was too slow cannot
-- note what came of it any more.
create table emails (
    tenant_id uuid not null,
    email_id uuid not null,
    user_id text collate "C" not null,
    notification_id uuid not null,
    state text not null default 'pending',
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default clock_timestamp(),
    leased_until timestamptz,
    lease integer not null default 0,
    last_status integer,
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    constraint emails_pk primary key (tenant_id, email_id),
    constraint emails_once unique (tenant_id, user_id, notification_id),
    constraint emails_message_fk foreign key (tenant_id, notification_id)
        references email_messages (tenant_id, notification_id),
    constraint emails_state_known check (state in ('pending', 'sent', 'failed')),
    constraint emails_attempts_not_negative check (attempts >= 0)
) with (fillfactor = 70);
-- What is due of a tenant; one that is behind keeps nobody else's from being found.
create index emails_due on emails (tenant_id, next_attempt_at) where state = 'pending';
-- What somebody is at.
create index emails_leased on emails (tenant_id, leased_until) where leased_until is not null;
-- A user's list, newest first.
create index emails_listed on emails (tenant_id, user_id, created_at, email_id);
-- The foreign key's way back.
create index emails_by_message on emails (tenant_id, notification_id);
-- Housekeeping looks at what is old, of all tenants.
create index emails_by_age on emails (created_at);
create index email_messages_by_age on email_messages (created_at);
-- Who is mailed anything, of the many members of a group.
create index user_preferences_mailed on user_preferences (tenant_id, user_id) where wants_email;

-- Up to where the history was followed, as `webhook_cursor`.
create table email_cursor (
    only_row boolean not null default true,
    tx bigint not null default (pg_snapshot_xmin(pg_current_snapshot())::text::bigint),
    not_before timestamptz not null default '-infinity',
    constraint email_cursor_pk primary key (only_row),
    constraint email_cursor_one_row check (only_row)
);
insert into email_cursor default values;

do $$
declare
    name text;
begin
    foreach name in array array['email_addresses', 'email_messages', 'emails']
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

grant select, insert, update, delete on email_addresses to tradepost_app;
grant select on email_messages to tradepost_app;
grant select, update on emails to tradepost_app;
grant select, update on email_addresses to tradepost_system;
grant select, insert, delete on email_messages to tradepost_system;
grant select, insert, update, delete on emails to tradepost_system;
grant select, update on email_cursor to tradepost_system;
