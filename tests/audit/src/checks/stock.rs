//! Group 1: what lies on the shelf and what of it is promised.

use crate::check::{Check, Service, Sql, Test};
use crate::findings::Subject;

const fn on_items(offenders: &'static str) -> Test {
    Test::Sql(Sql {
        on: &[Service::Inventory],
        subject: Subject::Text,
        checked: "select count(*) from items",
        offenders,
    })
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 1,
        invariant: "stock.covers_reserved",
        says: "on_hand >= reserved >= 0",
        test: on_items(UNCOVERED),
    },
    Check {
        group: 1,
        invariant: "stock.reserved_is_held",
        says: "reserved is the sum of the held reservations",
        test: on_items(RESERVED),
    },
    Check {
        group: 1,
        invariant: "stock.on_hand_is_moved",
        says: "on_hand is the sum of the movements: received less shipped less written off",
        test: on_items(ON_HAND),
    },
    Check {
        group: 1,
        invariant: "stock.sold_is_committed",
        says: "sold less restocked is the sum of the committed reservations",
        test: on_items(SOLD),
    },
];

const UNCOVERED: &str = "
select tenant_id, sku, 'has ' || on_hand || ' on hand and ' || reserved || ' reserved'
from items where not (on_hand >= reserved and reserved >= 0)";

const RESERVED: &str = "
with held as (
    select tenant_id, item.sku, sum(item.units) as units
    from reservations, unnest(skus, quantities) as item (sku, units)
    where state = 'held' group by tenant_id, item.sku)
select tenant_id, sku,
       'says ' || coalesce(reserved, 0) || ' reserved, and reservations hold ' || coalesce(units, 0)
from items full join held using (tenant_id, sku)
where coalesce(reserved, 0) <> coalesce(units, 0)";

const ON_HAND: &str = "
with moved as (
    select tenant_id, sku, sum(delta) as units from stock_movements group by tenant_id, sku)
select tenant_id, sku,
       'says ' || coalesce(on_hand, 0) || ' on hand, and movements add up to ' || coalesce(units, 0)
from items full join moved using (tenant_id, sku)
where coalesce(on_hand, 0) <> coalesce(units, 0)";

const SOLD: &str = "
with sold as (
    select tenant_id, sku, -sum(delta) as units from stock_movements
    where kind in ('sold', 'restocked') group by tenant_id, sku),
committed as (
    select tenant_id, item.sku, sum(item.units) as reserved
    from reservations, unnest(skus, quantities) as item (sku, units)
    where state = 'committed' group by tenant_id, item.sku)
select tenant_id, sku,
       'was sold ' || coalesce(units, 0) || ' times, and reservations committed '
       || coalesce(reserved, 0)
from sold full join committed using (tenant_id, sku)
where coalesce(units, 0) <> coalesce(reserved, 0)";
