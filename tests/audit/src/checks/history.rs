//! Group 7: the history of an order is the order.

use crate::check::{Check, Service, Sql, Test};
use crate::findings::Subject;

const fn on_orders(offenders: &'static str) -> Test {
    Test::Sql(Sql {
        on: &[Service::Order],
        subject: Subject::Order,
        checked: "select count(*) from order_events",
        offenders,
    })
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 7,
        invariant: "history.has_no_gaps",
        says: "the versions of an order's events run from 1 to the order's",
        test: on_orders(GAPS),
    },
    Check {
        group: 7,
        invariant: "history.folds_to_row",
        says: "the fold of an order's events is its row",
        test: on_orders(FOLD),
    },
];

const GAPS: &str = "
with histories as (
    select tenant_id, order_id, count(*) as events, min(version) as first, max(version) as last
    from order_events group by tenant_id, order_id)
select tenant_id, order_id::text,
       'is at version ' || coalesce(version::text, 'none') || ' and has ' || coalesce(events, 0)
       || ' events from ' || coalesce(first::text, 'none') || ' to ' || coalesce(last::text, 'none')
from orders full join histories using (tenant_id, order_id)
where (version, version, 1) is distinct from (last, events, first)";

/// Every event carries the saga after it, the first also what was agreed; the timer is no part of
/// the history.
const FOLD: &str = "
select o.tenant_id, o.order_id::text,
       'its row says ' || o.state || ' at version ' || o.version || ', its last event says '
       || coalesce(last.state, 'nothing')
from orders o
left join order_events last
    on last.tenant_id = o.tenant_id and last.order_id = o.order_id and last.version = o.version
left join order_events first
    on first.tenant_id = o.tenant_id and first.order_id = o.order_id and first.version = 1
where last.state is distinct from o.state
   or o.saga #>> '{phase,name}' is distinct from o.state
   or last.data -> 'saga' is distinct from o.saga
   or first.created_at is distinct from o.created_at
   or (o.state = 'rejected' and o.reject_reason is distinct from o.saga #>> '{phase,reason}')
   or (o.state = 'needs_attention'
       and o.attention_reason is distinct from o.saga #>> '{phase,reason}')
   or first.data -> 'placed' is distinct from jsonb_build_object(
        'customer_ref', o.customer_ref, 'currency', o.currency, 'total_minor', o.total_minor,
        'weight_grams', o.weight_grams, 'line_count', o.line_count, 'unit_count', o.unit_count,
        'payment_method', o.payment_method, 'address', o.shipping_address,
        'traceparent', o.traceparent, 'saga_version', o.saga_version)";
