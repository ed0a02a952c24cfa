//! Waiting for an order to be confirmed, or not to be.

use std::convert::Infallible;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tradepost_proto::order::v1 as pb;

use crate::http::edge::Admission;
use crate::http::prefer::Prefer;
use crate::http::router::{Gateway, Shared};
use crate::upstream::{Orders, Refusal, Watch};

/// When a watch that broke is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// Where a request waits for its order.
pub(super) struct Room {
    gateway: Shared,
    admission: Option<Admission>,
    /// How long the caller would like to wait.
    pub(super) prefer: Prefer,
}

impl FromRequestParts<Shared> for Room {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Shared) -> Result<Self, Infallible> {
        Ok(Self {
            gateway: Arc::clone(gateway),
            admission: parts.extensions.get().cloned(),
            prefer: Prefer::of(&parts.headers),
        })
    }
}

impl Room {
    /// Waits until it is known how placing the order went, at most `within` and not beyond the end
    /// of the process; `order` is then what is known. A wait does not count as a running request.
    ///
    /// `false` when nothing was waited for since too many others wait.
    pub(super) async fn until_settled(
        &self,
        orders: &Orders,
        order: &mut pb::Order,
        within: Duration,
    ) -> bool {
        if is_settled(order.state()) || within.is_zero() {
            return true;
        }
        let gateway: &Gateway = &self.gateway;
        let Ok(_permit) = gateway.waits.try_acquire() else {
            return false;
        };
        if let Some(admission) = &self.admission {
            admission.give_back();
        }
        let _counted = gateway.metrics.waiting();
        // A watch shows orders without their lines, which never change.
        let lines = mem::take(&mut order.lines);
        tokio::select! {
            () = follow(orders, order) => {}
            () = tokio::time::sleep(within) => {}
            () = gateway.shutdown.cancelled() => {}
        }
        order.lines = lines;
        true
    }
}

/// Keeps `order` up to date until it is settled, over broken watches too.
async fn follow(orders: &Orders, order: &mut pb::Order) {
    loop {
        if let Ok(mut watch) = orders.watch(&order.order_id).await {
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
