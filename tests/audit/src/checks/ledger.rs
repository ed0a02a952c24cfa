//! Group 4: the double-entry ledger, and the payments it explains.

use crate::check::{Check, Service, Sql, Test};
use crate::findings::Subject;
use crate::rest;

const fn on_payments(subject: Subject, checked: &'static str, offenders: &'static str) -> Test {
    Test::Sql(Sql {
        on: &[Service::Payment],
        subject,
        checked,
        offenders,
    })
}

const PAYMENTS: &str = "select count(*) from payments";

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 4,
        invariant: "ledger.entries_balance",
        says: "every journal entry has postings, and they sum to zero per currency",
        test: on_payments(
            Subject::Text,
            "select count(*) from journal_entries",
            UNBALANCED,
        ),
    },
    Check {
        group: 4,
        invariant: "ledger.balances_recompute",
        says: "every balance of a payment's entries is what its state asks for",
        test: on_payments(Subject::Payment, PAYMENTS, BALANCES),
    },
    Check {
        group: 4,
        invariant: "payments.refunded_within_captured",
        says: "refunded <= captured <= authorised, and refunded is the sum of the refunds",
        test: on_payments(Subject::Payment, PAYMENTS, BEYOND),
    },
    Check {
        group: 4,
        invariant: "payments.at_rest",
        says: "no payment or refund waits for a call to the provider",
        test: on_payments(
            Subject::Text,
            "select (select count(*) from payments) + (select count(*) from refunds)",
            rest::CALLS_DUE,
        ),
    },
];

const UNBALANCED: &str = "
select e.tenant_id, 'entry ' || e.entry_id,
       case when p.currency is null then 'has no postings'
            else 'sums to ' || sum(p.amount) || ' ' || p.currency end
from journal_entries e
left join postings p on p.tenant_id = e.tenant_id and p.entry_id = e.entry_id
group by e.tenant_id, e.entry_id, p.currency
having coalesce(sum(p.amount), 1) <> 0";

const BALANCES: &str = "
with booked as (
    select e.tenant_id, e.payment_id, p.account, p.currency, sum(p.amount) as amount
    from journal_entries e
    join postings p on p.tenant_id = e.tenant_id and p.entry_id = e.entry_id
    group by e.tenant_id, e.payment_id, p.account, p.currency),
paid_back as (
    select tenant_id, payment_id, sum(amount) as amount from refunds
    where state = 'succeeded' group by tenant_id, payment_id),
disputed as (
    select tenant_id, payment_id, currency, sum(withdrawn) as withdrawn,
           sum(reinstated) as reinstated, sum(fee - fee_returned) as fees,
           sum(case when state = 'lost' then greatest(withdrawn - reinstated, 0) else 0 end) as lost
    from disputes group by tenant_id, payment_id, currency),
states as (
    select p.*, coalesce(b.amount, 0) as paid_back,
           case when p.state in ('authorizing', 'requires_action', 'authorized', 'unknown',
                                 'capturing', 'capture_unknown', 'voiding', 'conflicted')
                then p.amount else 0 end as held
    from payments p
    left join paid_back b on b.tenant_id = p.tenant_id and b.payment_id = p.payment_id),
parts as (
    select s.tenant_id, s.payment_id, d.account, s.currency, d.amount
    from states s cross join lateral (values
        ('authorizations_held', s.held),
        ('authorizations_contra', -s.held),
        ('provider_receivable', s.captured - s.paid_back),
        ('merchant_revenue', s.refunded - s.captured),
        ('refunds_pending', s.paid_back - s.refunded)) as d (account, amount)
    where s.currency is not null
    union all
    select s.tenant_id, s.payment_id, d.account, s.currency, d.amount
    from disputed s cross join lateral (values
        ('provider_receivable', s.reinstated - s.withdrawn - s.fees),
        ('disputes_withheld', s.withdrawn - s.reinstated - s.lost),
        ('dispute_losses', s.lost),
        ('dispute_fees', s.fees)) as d (account, amount)),
due as (
    select tenant_id, payment_id, account, currency, sum(amount) as amount
    from parts group by tenant_id, payment_id, account, currency)
select tenant_id, payment_id::text,
       account || ' is ' || coalesce(booked.amount, 0) || ' ' || currency || ' and should be '
       || coalesce(due.amount, 0)
from booked full join due using (tenant_id, payment_id, account, currency)
where coalesce(booked.amount, 0) <> coalesce(due.amount, 0)";

const BEYOND: &str = "
with asked as (
    select tenant_id, payment_id, sum(amount) as amount from refunds
    where state <> 'failed' group by tenant_id, payment_id)
select tenant_id, payment_id::text,
       'authorised ' || p.amount || ', captured ' || captured || ', refunded ' || refunded
       || ', its refunds add up to ' || coalesce(asked.amount, 0)
from payments p left join asked using (tenant_id, payment_id)
where not (0 <= refunded and refunded <= captured and captured <= p.amount)
   or refunded <> coalesce(asked.amount, 0)";
