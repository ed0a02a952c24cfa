//! One order of the plan, followed from its sending to its end.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::country;
use super::{Keys, Options};
use crate::gateway::{
    CallError, Gateway, Order, OrderBody, OrderBodyLine, OrderState, Verdict, Wait, pence,
};
use crate::plan::PlannedOrder;

/// The longest wait the gateway grants.
const WAIT: Wait = Wait::Seconds(60);
/// When the gateway answers a wait at once, because too many wait, it is not asked in a loop.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of an order.
#[derive(Debug)]
pub(super) struct Followed<'a> {
    pub(super) planned: &'a PlannedOrder,
    pub(super) end: End,
    /// From the sending to the answer that it is accepted.
    pub(super) accepted_after: Option<Duration>,
    /// From the sending to the answer that it is confirmed.
    pub(super) confirmed_after: Option<Duration>,
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Confirmed,
    Rejected(String),
    Failed(String),
}

pub(super) async fn follow<'a>(
    gateway: &Gateway,
    planned: &'a PlannedOrder,
    keys: &Keys,
    options: &Options,
) -> Followed<'a> {
    let mut followed = Followed {
        planned,
        end: End::Failed(String::new()),
        accepted_after: None,
        confirmed_after: None,
    };
    followed.end = match to_the_end(gateway, &mut followed, keys, options).await {
        Ok(order) => end(&order, planned),
        Err(error) => End::Failed(error.to_string()),
    };
    followed
}

/// Sends the order without a wait, which says when it is accepted, and then asks for it by the
/// same key with a wait, which says when it is at its end.
async fn to_the_end(
    gateway: &Gateway,
    followed: &mut Followed<'_>,
    keys: &Keys,
    options: &Options,
) -> Result<Order, CallError> {
    let key = keys.order(&followed.planned.invoice);
    let body = body(followed.planned)?;
    let sent = Instant::now();
    let mut order = gateway.place(&key, body.clone(), Wait::No).await?.order;
    followed.accepted_after = Some(sent.elapsed());
    while order.state.verdict() == Verdict::Open && sent.elapsed() < options.end_within {
        order = gateway.place(&key, body.clone(), WAIT).await?.order;
        if order.state.verdict() == Verdict::Open {
            tokio::time::sleep(PAUSE).await;
        }
    }
    if order.state.verdict() == Verdict::Confirmed {
        followed.confirmed_after = Some(sent.elapsed());
    }
    Ok(order)
}

fn body(planned: &PlannedOrder) -> Result<Bytes, CallError> {
    let lines = planned.lines.iter().map(|line| OrderBodyLine {
        sku: line.sku.as_str(),
        quantity: line.quantity,
        agreed_unit_price: Some(pence(line.price_minor)),
    });
    let country = country::code(&planned.country);
    OrderBody::new(&planned.customer_ref, country, lines.collect()).render()
}

fn end(order: &Order, planned: &PlannedOrder) -> End {
    let id = &order.order_id;
    match order.state.verdict() {
        Verdict::Confirmed if order.sums() != (planned.units, planned.minor_units) => {
            let (units, pence) = order.sums();
            End::Failed(format!("{id} has {units} units for {pence} pence"))
        }
        Verdict::Confirmed => End::Confirmed,
        Verdict::Refused => End::Rejected(reason(order)),
        Verdict::Open => End::Failed(format!("{id} is still {:?}", order.state)),
        Verdict::Unclear => {
            let why = &order.attention_reason;
            End::Failed(format!("{id} is {:?}: {why}", order.state))
        }
    }
}

fn reason(order: &Order) -> String {
    if order.reject_reason.is_empty() || order.state == OrderState::Cancelled {
        return "CANCELLED".to_owned();
    }
    order.reject_reason.clone()
}
