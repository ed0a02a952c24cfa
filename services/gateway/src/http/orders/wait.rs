//! Waiting for an order to be confirmed, or not to be.

use std::mem;
use std::time::Duration;

use tradepost_proto::order::v1 as pb;

use crate::http::edge::Admission;
use crate::http::router::Gateway;
use crate::upstream::{Refusal, Watch};

/// When a watch that broke is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until it is known how placing the order went, at most `within` and not beyond the end of
/// the process; `order` is then what is known. A wait does not count as a running request.
///
/// `false` when nothing was waited for since too many others wait.
pub(super) async fn until_settled(
    gateway: &Gateway,
    admission: &Admission,
    order: &mut pb::Order,
    within: Duration,
) -> bool {
    if is_settled(order.state()) || within.is_zero() {
        return true;
    }
    let Ok(_permit) = gateway.waits.try_acquire() else {
        return false;
    };
    admission.give_back();
    let _counted = gateway.metrics.waiting();
    // A watch shows orders without their lines, which never change.
    let lines = mem::take(&mut order.lines);
    tokio::select! {
        () = follow(gateway, order) => {}
        () = tokio::time::sleep(within) => {}
        () = gateway.shutdown.cancelled() => {}
    }
    order.lines = lines;
    true
}

/// Keeps `order` up to date until it is settled, over broken watches too.
async fn follow(gateway: &Gateway, order: &mut pb::Order) {
    loop {
        if let Ok(mut watch) = gateway.upstreams.orders.watch(&order.order_id).await {
            // What broke the watch has been counted and logged.
            let _broken: Result<(), Refusal> = read(&mut watch, order).await;
        }
        if is_settled(order.state()) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(watch: &mut Watch, order: &mut pb::Order) -> Result<(), Refusal> {
    while let Some(seen) = watch.next().await? {
        *order = seen;
        if is_settled(order.state()) {
            break;
        }
    }
    Ok(())
}

/// Whether it is known how placing the order went.
const fn is_settled(state: pb::OrderState) -> bool {
    match state {
        pb::OrderState::Unspecified
        | pb::OrderState::Reserving
        | pb::OrderState::Authorizing
        | pb::OrderState::Confirming
        | pb::OrderState::Cancelling => false,
        pb::OrderState::Confirmed
        | pb::OrderState::Capturing
        | pb::OrderState::Shipped
        | pb::OrderState::Delivered
        | pb::OrderState::Cancelled
        | pb::OrderState::Rejected
        | pb::OrderState::Returning
        | pb::OrderState::Returned
        | pb::OrderState::NeedsAttention => true,
    }
}
