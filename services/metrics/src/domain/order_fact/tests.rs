//! From facts to what is counted.

use std::collections::HashSet;

use proptest::prelude::*;
use tradepost_types::Currency;

use super::*;

fn counted(fact: &OrderFact) -> Vec<(String, i64)> {
    let counted = fact.counted().unwrap().into_iter();
    counted
        .map(|each| (each.event_type.as_str().to_owned(), each.value))
        .collect()
}

fn named(events: &[(&str, i64)]) -> Vec<(String, i64)> {
    let own = |&(name, value): &(&str, i64)| (name.to_owned(), value);
    events.iter().map(own).collect()
}

fn euros(minor_units: i64) -> Money {
    Money::new(minor_units, Currency::EUR)
}

#[test]
fn an_order_on_its_way_counts_in_the_words_of_the_readme() {
    let (after_ms, total) = (7, euros(2_500));
    let reason = "OUT_OF_STOCK".to_owned();
    for (fact, wanted) in [
        (
            OrderFact::Placed { units: 3, total },
            named(&[("order.placed", 3), ("order.placed.eur", 2_500)]),
        ),
        (
            OrderFact::Confirmed {
                after_ms,
                units: 3,
                total,
            },
            named(&[
                ("order.confirmed", 7),
                ("order.confirmed.units", 3),
                ("order.confirmed.eur", 2_500),
            ]),
        ),
        (
            OrderFact::Rejected { after_ms, reason },
            named(&[("order.rejected", 7), ("order.rejected.out_of_stock", 7)]),
        ),
        (
            OrderFact::Cancelled { after_ms },
            named(&[("order.cancelled", 7)]),
        ),
        (
            OrderFact::Shipped {
                after_ms,
                total: Some(total),
            },
            named(&[("order.shipped", 7), ("order.shipped.eur", 2_500)]),
        ),
        (
            OrderFact::Delivered { after_ms },
            named(&[("order.delivered", 7)]),
        ),
        (
            OrderFact::Returned {
                after_ms,
                total: Some(total),
            },
            named(&[("order.returned", 7), ("order.returned.eur", 2_500)]),
        ),
        (
            OrderFact::Refunded {
                after_ms,
                amount: total,
            },
            named(&[("order.refunded", 7), ("order.refunded.eur", 2_500)]),
        ),
        (
            OrderFact::NeedsAttention { after_ms },
            named(&[("order.needs_attention", 7)]),
        ),
    ] {
        assert_eq!(counted(&fact), wanted);
    }
}

#[test]
fn a_sentence_is_no_reason_to_count_by() {
    for reason in ["", "no carrier takes it: why", "é", &"x".repeat(41)] {
        let fact = OrderFact::Rejected {
            after_ms: 1,
            reason: reason.to_owned(),
        };

        let wanted = named(&[("order.rejected", 1), ("order.rejected.other", 1)]);
        assert_eq!(counted(&fact), wanted, "{reason}");
    }
}

fn facts() -> impl Strategy<Value = OrderFact> {
    let money = (any::<i64>(), any::<bool>()).prop_map(|(minor_units, is_yen)| {
        let currency = if is_yen { Currency::JPY } else { Currency::EUR };
        Money::new(minor_units, currency)
    });
    let parts = (0..9, any::<i64>(), any::<i64>(), money, any::<String>());
    parts.prop_map(|(kind, after_ms, units, total, reason)| match kind {
        0 => OrderFact::Placed { units, total },
        1 => OrderFact::Confirmed {
            after_ms,
            units,
            total,
        },
        2 => OrderFact::Rejected { after_ms, reason },
        3 => OrderFact::Cancelled { after_ms },
        4 => OrderFact::Shipped {
            after_ms,
            total: Some(total),
        },
        5 => OrderFact::Delivered { after_ms },
        6 => OrderFact::Returned {
            after_ms,
            total: (units > 0).then_some(total),
        },
        7 => OrderFact::Refunded {
            after_ms,
            amount: total,
        },
        _ => OrderFact::NeedsAttention { after_ms },
    })
}

proptest! {
    #[test]
    fn whatever_is_told_counts_whole_or_not_at_all(fact in facts()) {
        let numbers = match &fact {
            OrderFact::Placed { units, total } => vec![*units, total.minor_units()],
            OrderFact::Confirmed { after_ms, units, total } => {
                vec![*after_ms, *units, total.minor_units()]
            }
            OrderFact::Shipped { after_ms, total } | OrderFact::Returned { after_ms, total } => {
                let money = total.iter().map(|total| total.minor_units());
                std::iter::once(*after_ms).chain(money).collect()
            }
            OrderFact::Refunded { after_ms, amount } => vec![*after_ms, amount.minor_units()],
            OrderFact::Rejected { after_ms, .. } => vec![*after_ms, *after_ms],
            OrderFact::Cancelled { after_ms }
            | OrderFact::Delivered { after_ms }
            | OrderFact::NeedsAttention { after_ms } => vec![*after_ms],
        };

        match fact.counted() {
            Ok(counted) => {
                let values: Vec<i64> = counted.iter().map(|each| each.value).collect();
                let types: HashSet<_> = counted.iter().map(|each| &each.event_type).collect();
                prop_assert_eq!(values, numbers);
                prop_assert_eq!(types.len(), counted.len());
            }
            Err(OrderFactError::Negative(_)) => {
                prop_assert!(numbers.iter().any(|&number| number < 0));
            }
            Err(OrderFactError::Unnamed) => prop_assert!(false, "a fact without a name"),
        }
    }
}
