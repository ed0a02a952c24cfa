//! Group 3: every accepted order is there, and at its end or waiting for somebody.

use crate::check::{Check, Service, Sql, Test};
use crate::findings::Subject;
use crate::rest;

const ORDERS: &str = "select count(*) from orders";

const fn on_orders(checked: &'static str, offenders: &'static str) -> Test {
    Test::Sql(Sql {
        on: &[Service::Order],
        subject: Subject::Order,
        checked,
        offenders,
    })
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 3,
        invariant: "orders.accepted_exist",
        says: "every accepted request to place an order has its order",
        test: on_orders(
            "select count(*) from platform.idempotency_keys where operation = 'PlaceOrder'",
            ACCEPTED,
        ),
    },
    Check {
        group: 3,
        invariant: "orders.lines_add_up",
        says: "an order's total, units and line count are those of its lines",
        test: on_orders(ORDERS, LINES),
    },
    Check {
        group: 3,
        invariant: "orders.at_rest",
        says: "every order ended, or waits for a carrier, a customer or a person",
        test: on_orders(ORDERS, rest::ORDERS_IN_MOTION),
    },
    Check {
        group: 3,
        invariant: "orders.live_have_timer",
        says: "every live order has a timer, and none is overdue",
        test: on_orders(ORDERS, TIMERS),
    },
];

const ACCEPTED: &str = "
with accepted as (
    select tenant_id, request_id,
           case when octet_length(response) = 16 then encode(response, 'hex')::uuid end as order_id
    from platform.idempotency_keys where operation = 'PlaceOrder')
select tenant_id, coalesce(a.order_id::text, 'request ' || request_id),
       case when a.order_id is null then 'was accepted without an order'
            else 'was accepted and is not there' end
from accepted a left join orders o using (tenant_id, order_id)
where o.order_id is null";

const LINES: &str = "
with lines as (
    select tenant_id, order_id, count(*) as lines, sum(quantity) as units,
           sum(quantity * unit_price_minor::numeric) as total
    from order_lines group by tenant_id, order_id)
select tenant_id, order_id::text,
       'says ' || coalesce(line_count, 0) || ' lines, ' || coalesce(unit_count, 0) || ' units, '
       || coalesce(total_minor, 0) || ' minor units; its lines say ' || coalesce(lines, 0) || ', '
       || coalesce(units, 0) || ', ' || coalesce(total, 0)
from orders full join lines using (tenant_id, order_id)
where (line_count, unit_count, total_minor) is distinct from (lines, units, total)";

const TIMERS: &str = "
select tenant_id, order_id::text,
       'is ' || state || coalesce(' and was due at ' || deadline_at, ' without a timer')
from orders
where state not in ('delivered', 'cancelled', 'rejected', 'returned', 'needs_attention')
  and coalesce(
      deadline_at < now() - current_setting('audit.grace')::float8 * interval '1 millisecond',
      true)";
