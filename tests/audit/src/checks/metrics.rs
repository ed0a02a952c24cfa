//! Group 6, of a system whose orders are counted: the sums are those of the orders.

use crate::check::{Check, Test};
use crate::findings::{Found, Offender};
use crate::world::{Count, World};

/// The check that is made only where the metrics service's database is named.
pub(crate) const COUNTED: &str = "metrics.count_orders";

pub(super) const CHECKS: &[Check] = &[Check {
    group: 6,
    invariant: COUNTED,
    says: "orders placed, rejected and confirmed, units and revenue are counted once each",
    test: Test::World(counted_once),
}];

fn counted_once(world: &World) -> Found {
    let pairs = world.counted.iter().flat_map(|counted| counted.pairs());
    Found::over(pairs, |((tenant, name), told, counted)| {
        let differ = || {
            let detail = format!(
                "the orders say {}; counted is {}",
                text(told),
                text(counted)
            );
            Offender::new(*tenant, name, detail)
        };
        (told != counted).then(differ)
    })
}

fn text(count: Option<&Count>) -> String {
    match count {
        None => "none".to_owned(),
        Some(Count { n, sum: None }) => n.to_string(),
        Some(Count { n, sum: Some(sum) }) => format!("{n} of {sum}"),
    }
}
