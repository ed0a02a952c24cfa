//! What is counted of orders, by the orders themselves and by the metrics service.

use std::collections::BTreeMap;

use sqlx::FromRow;
use tradepost_types::TenantId;
use uuid::Uuid;

/// Whose, and what counts: the name of an event type.
pub(crate) type CountKey = (TenantId, String);

/// How many there were, and what they add up to where that is a matter of the orders.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Count {
    pub(crate) n: i64,
    pub(crate) sum: Option<f64>,
}

/// Both accounts of the same orders.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    /// As the orders say.
    pub(crate) told: BTreeMap<CountKey, Count>,
    /// As the metrics service has it.
    pub(crate) counted: BTreeMap<CountKey, Count>,
}

/// A row of either query.
#[derive(Debug, Clone, FromRow)]
pub(crate) struct Row {
    tenant_id: Uuid,
    name: String,
    n: i64,
    sum: Option<f64>,
}

/// On the orders. How long an order took is not compared: the sums of durations are not kept there.
pub(crate) const TOLD: &str = "
with confirmed as (
    select o.tenant_id, o.currency, o.unit_count, o.total_minor
    from order_events e join orders o using (tenant_id, order_id)
    where e.type = 'confirmed')
select tenant_id, 'order.placed' as name, count(*) as n, sum(unit_count)::float8 as sum
from orders group by tenant_id
union all
select tenant_id, 'order.placed.' || lower(currency), count(*), sum(total_minor)::float8
from orders group by tenant_id, currency
union all
select tenant_id, 'order.rejected', count(*), null
from orders where state = 'rejected' group by tenant_id
union all
select tenant_id, 'order.confirmed', count(*), null
from confirmed group by tenant_id
union all
select tenant_id, 'order.confirmed.units', count(*), sum(unit_count)::float8
from confirmed group by tenant_id
union all
select tenant_id, 'order.confirmed.' || lower(currency), count(*), sum(total_minor)::float8
from confirmed group by tenant_id, currency";

/// On the metrics service, of the same names.
pub(crate) const COUNTED: &str = "
select d.tenant_id, t.name,
       sum(d.n)::bigint as n,
       case when t.name not in ('order.rejected', 'order.confirmed') then sum(d.sum) end as sum
from rollup_days d join event_types t on t.tenant_id = d.tenant_id and t.type_id = d.type_id
where t.name = 'order.rejected'
   or t.name = 'order.placed' or t.name like 'order.placed.%'
   or t.name = 'order.confirmed' or t.name like 'order.confirmed.%'
group by d.tenant_id, t.name";

impl Counted {
    pub(crate) fn of(told: Vec<Row>, counted: Vec<Row>) -> Self {
        let keyed = |rows: Vec<Row>| {
            let key = |row: Row| {
                let (n, sum) = (row.n, row.sum);
                let key = (TenantId::from_uuid(row.tenant_id), row.name);
                (key, Count { n, sum })
            };
            rows.into_iter().map(key).collect()
        };
        Self {
            told: keyed(told),
            counted: keyed(counted),
        }
    }

    /// Every name that one of the two knows, with what each says.
    pub(crate) fn pairs(
        &self,
    ) -> impl Iterator<Item = (&CountKey, Option<&Count>, Option<&Count>)> {
        let told = self.told.iter();
        let told = told.map(|(key, count)| (key, Some(count), self.counted.get(key)));
        let unheard = self.counted.iter();
        let unheard = unheard.filter(|(key, _)| !self.told.contains_key(*key));
        told.chain(unheard.map(|(key, count)| (key, None, Some(count))))
    }

    /// How many names the two say different things of.
    pub(crate) fn differences(&self) -> usize {
        let pairs = self.pairs();
        pairs.filter(|(_, told, counted)| told != counted).count()
    }
}
