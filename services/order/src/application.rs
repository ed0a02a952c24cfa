//! The use cases: each sequences I/O through the ports and decides nothing about orders.

mod apply_answers;
mod changes;
mod express_wish;
mod fire_deadlines;
mod place_order;
mod read_orders;
mod watch_order;

use crate::domain::OrderState;
use crate::metrics::Metrics;
use crate::ports::Applied;

pub use apply_answers::ApplyAnswers;
pub use changes::Changes;
pub use express_wish::ExpressWish;
pub use fire_deadlines::FireDeadlines;
pub use place_order::{PlaceError, PlaceOrder};
pub use read_orders::{History, ReadOrders};
pub use watch_order::{Watch, WatchError, WatchOrder};

/// Counts what a transaction did, and logs where a person has to act.
fn report(metrics: &Metrics, applied: &Applied) {
    metrics.applied(applied);
    for step in &applied.moves {
        if step.to == OrderState::NeedsAttention {
            tracing::error!(
                event = "order.needs_attention",
                order.id = %step.order,
                "an order is stuck: an operator has to retry, skip or abandon its step"
            );
        } else {
            tracing::debug!(
                event = "order.moved",
                order.id = %step.order,
                order.state = step.to.name(),
                "an order moved"
            );
        }
    }
}
