-- Why: payments with their refunds, the double-entry ledger that explains them, and the provider's
-- webhooks that were taken.
-- Locks: new objects only.

create table payments (
    tenant_id uuid not null,
    payment_id uuid not null,
    order_id uuid not null,
    state text not null,
    -- Null only for a void that came for a payment never asked for: nobody knows the currency.
    currency text,
    amount bigint not null,
    capture_amount bigint,
    captured bigint not null default 0,
    -- Refunded, or set aside for refunds that are not finished.
    refunded bigint not null default 0,
    void_requested boolean not null default false,
    -- Every refund of what was captured has succeeded.
    fully_refunded boolean not null default false,
    decline_reason text,
    -- The provider's token of the card; forgotten as soon as no call can need it again.
    payment_method text,
    provider_reference text,
    authorize_cause uuid,
    capture_cause uuid,
    void_cause uuid,
    traceparent text,
    -- Fruitless calls in a row; it sets the wait before the next.
    attempts integer not null default 0,
    -- When the provider is to be called (again), or until when somebody is at it.
    next_attempt_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint payments_pk primary key (tenant_id, payment_id),
    constraint payments_state_known check (state in (
        'authorizing', 'requires_action', 'authorized', 'declined', 'unknown', 'capturing',
        'partially_captured', 'captured', 'capture_unknown', 'voiding', 'voided',
        'authorization_expired', 'conflicted')),
    constraint payments_amount_known check ((currency is null) = (amount = 0)),
    -- Never more given back than taken, nor taken than held: whatever a bug does.
    constraint payments_refunded_within_captured
        check (0 <= refunded and refunded <= captured and captured <= amount)
) with (fillfactor = 70);

-- Due calls, over all tenants: only the sweeper of the system role reads it.
create index payments_due on payments (next_attempt_at) where next_attempt_at is not null;

create table refunds (
    tenant_id uuid not null,
    refund_id uuid not null,
    payment_id uuid not null,
    state text not null,
    amount bigint not null,
    origin text not null,
    note text not null default '',
    failure_reason text,
    provider_reference text,
    cause uuid,
    traceparent text,
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint refunds_pk primary key (tenant_id, refund_id),
    constraint refunds_payment_fk foreign key (tenant_id, payment_id)
        references payments (tenant_id, payment_id),
    constraint refunds_state_known
        check (state in ('requested', 'submitted', 'succeeded', 'failed', 'unknown')),
    constraint refunds_origin_known check (origin in ('command', 'request', 'void')),
    constraint refunds_positive check (amount > 0),
    constraint refunds_note_length check (char_length(note) <= 200)
) with (fillfactor = 70);
create index refunds_by_payment on refunds (tenant_id, payment_id);
create index refunds_due on refunds (next_attempt_at) where next_attempt_at is not null;

create sequence journal_entry_ids;
create table journal_entries (
    tenant_id uuid not null,
    entry_id bigint not null,
    kind text not null,
    payment_id uuid not null,
    refund_id uuid,
    created_at timestamptz not null default now(),
    constraint journal_entries_pk primary key (tenant_id, entry_id),
    constraint journal_entries_kind_known check (kind in (
        'hold', 'release', 'capture', 'refund_set_aside', 'refund_paid', 'refund_given_back'))
);
create index journal_entries_by_payment on journal_entries (tenant_id, payment_id, entry_id);

-- The chart of accounts is a check, not a table: a foreign key would lock five hot rows.
create table postings (
    tenant_id uuid not null,
    entry_id bigint not null,
    account text not null,
    currency text not null,
    amount bigint not null,
    constraint postings_pk primary key (tenant_id, entry_id, account, currency),
    constraint postings_entry_fk foreign key (tenant_id, entry_id)
        references journal_entries (tenant_id, entry_id),
    constraint postings_account_known check (account in (
        'authorizations_held', 'authorizations_contra', 'provider_receivable',
        'merchant_revenue', 'refunds_pending')),
    constraint postings_move check (amount <> 0)
);

-- At commit every entry that got a posting must sum to zero in each currency.
create function require_balance() returns trigger language plpgsql as $$
begin
    if exists (
        select from postings
        where tenant_id = new.tenant_id and entry_id = new.entry_id
        group by currency having sum(amount) <> 0)
    then
        raise exception 'journal entry % does not sum to zero', new.entry_id
            using errcode = 'check_violation', constraint = 'postings_balanced';
    end if;
    return null;
end
$$;
create constraint trigger postings_balanced after insert on postings
    deferrable initially deferred for each row execute function require_balance();

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed or deleted', tg_table_name
        using errcode = 'restrict_violation';
end
$$;
create trigger journal_entries_immutable before update or delete or truncate on journal_entries
    for each statement execute function refuse_change();
create trigger postings_immutable before update or delete or truncate on postings
    for each statement execute function refuse_change();

-- Webhooks that were taken; one for a payment that is not there yet waits here.
create table provider_events (
    tenant_id uuid not null,
    event_id text not null,
    payment_id uuid not null,
    hint jsonb not null,
    state text not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    created_at timestamptz not null default now(),
    constraint provider_events_pk primary key (tenant_id, event_id),
    constraint provider_events_state_known check (state in ('applied', 'parked')),
    constraint provider_events_parked_until
        check ((state = 'parked') = (next_attempt_at is not null))
);
create index provider_events_due on provider_events (next_attempt_at) where state = 'parked';

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array[
        'payments', 'refunds', 'journal_entries', 'postings', 'provider_events']
    loop
        execute format('alter table %I enable row level security', tenant_table);
        execute format('alter table %I force row level security', tenant_table);
        execute format(
            'create policy %I on %I to tradepost_app
                 using (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)
                 with check (tenant_id = nullif(current_setting(''app.tenant_id'', true), '''')::uuid)',
            tenant_table || '_tenant', tenant_table);
        execute format(
            'create policy %I on %I to tradepost_system using (true) with check (true)',
            tenant_table || '_system', tenant_table);
    end loop;
end
$$;

grant select, insert, update on payments, refunds to tradepost_app, tradepost_system;
grant select, insert on journal_entries, postings to tradepost_app, tradepost_system;
grant usage on sequence journal_entry_ids to tradepost_app, tradepost_system;
grant select, insert, update on provider_events to tradepost_system;
