-- Why: disputes of payments, what they do to the ledger, and webhooks that name a payment only by
-- the provider's reference of it, because the provider keeps none of ours with a dispute.
-- Locks: `payments`, `journal_entries` and `postings` exclusively for a moment; no row is read again
-- (a constant default, checks not valid that the old rows satisfied). `payments_by_reference` keeps
-- writers of `payments` waiting while it is built: with many payments, build it concurrently before.
-- Old code sees no dispute, makes none of the new kinds, and keeps working.

create table disputes (
    tenant_id uuid not null,
    dispute_id uuid not null,
    payment_id uuid not null,
    provider_reference text not null,
    state text not null,
    reason text not null,
    -- The provider's; not always the payment's.
    currency text not null,
    amount bigint not null,
    -- What the provider moved so far: the most it ever told, for its news come in any order.
    withdrawn bigint not null default 0,
    reinstated bigint not null default 0,
    fee bigint not null default 0,
    fee_returned bigint not null default 0,
    -- When the provider said what `state`, `amount` and `reason` say: older news do not count.
    told_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint disputes_pk primary key (tenant_id, dispute_id),
    constraint disputes_payment_fk foreign key (tenant_id, payment_id)
        references payments (tenant_id, payment_id),
    constraint disputes_state_known check (state in (
        'inquiry_needs_response', 'inquiry_under_review', 'inquiry_closed',
        'needs_response', 'under_review', 'won', 'lost')),
    constraint disputes_amounts check (
        amount > 0 and withdrawn >= 0 and reinstated >= 0 and fee >= 0 and fee_returned >= 0)
) with (fillfactor = 70);
create index disputes_by_payment on disputes (tenant_id, payment_id);

-- How many there are: most payments have none, and need not look for any.
alter table payments add column disputes integer not null default 0;

-- From the provider's reference to the payment, over all tenants: for the system role's webhooks.
create index if not exists payments_by_reference on payments (provider_reference)
    where provider_reference is not null;

alter table journal_entries add column dispute_id uuid;
alter table journal_entries drop constraint journal_entries_kind_known;
alter table journal_entries add constraint journal_entries_kind_known check (kind in (
    'hold', 'release', 'capture', 'refund_set_aside', 'refund_paid', 'refund_given_back',
    'refund_reversed', 'dispute_withdrawn', 'dispute_fee', 'dispute_reinstated',
    'dispute_fee_returned', 'dispute_lost', 'dispute_loss_reversed')) not valid;
alter table postings drop constraint postings_account_known;
alter table postings add constraint postings_account_known check (account in (
    'authorizations_held', 'authorizations_contra', 'provider_receivable', 'merchant_revenue',
    'refunds_pending', 'disputes_withheld', 'dispute_losses', 'dispute_fees')) not valid;

alter table disputes enable row level security;
alter table disputes force row level security;
create policy disputes_tenant on disputes to tradepost_app
    using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
    with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
create policy disputes_system on disputes to tradepost_system using (true) with check (true);
-- Requests read disputes; only webhooks write them.
grant select on disputes to tradepost_app;
grant select, insert, update on disputes to tradepost_system;
