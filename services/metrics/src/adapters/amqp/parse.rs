//! From a message to the batch that counts it.

use time::{Duration, OffsetDateTime};
use tradepost_messaging::{HandleError, Message};
use tradepost_proto::common::v1 as common;
use tradepost_proto::convert::money_from_proto;
use tradepost_proto::order::event::v1 as pb;
use tradepost_types::Money;

use crate::adapters::naming;
use crate::domain::{Counted, OrderFact};
use crate::ports::{Batch, Event};

/// By how much the clocks of two services differ at the worst.
const AHEAD_MAX: Duration = Duration::hours(1);
/// Whose message ids these are.
const SOURCE: &str = "order.fact";

/// Between which moments facts are taken. A fact is a message among services, so that a clock that
/// is some minutes ahead is no reason to park it.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    oldest: OffsetDateTime,
    newest: OffsetDateTime,
}

impl Window {
    /// So many days back from `now`.
    #[must_use]
    pub fn at(now: OffsetDateTime, history_days: u16) -> Self {
        Self {
            oldest: now - Duration::days(i64::from(history_days)),
            newest: now + AHEAD_MAX,
        }
    }
}

/// Reads a fact. `None` for a kind that nobody counts: newer order services may tell more.
///
/// # Errors
/// [`HandleError::Poison`] for what cannot be read or counted.
pub(super) fn parse(message: &Message, window: Window) -> Result<Option<Batch>, HandleError> {
    let Some(fact) = fact(message)? else {
        return Ok(None);
    };
    if message.time < window.oldest || message.time > window.newest {
        let detail = format!("it happened at {}", message.time);
        return Err(poison("time_out_of_range", detail));
    }
    let counted = fact.counted();
    let counted = counted.map_err(|fault| poison("uncountable", fault.to_string()))?;
    Ok(Some(batch(message, counted)?))
}

fn poison(reason: &'static str, detail: String) -> HandleError {
    HandleError::Poison { reason, detail }
}

fn fact(message: &Message) -> Result<Option<OrderFact>, HandleError> {
    macro_rules! first_of {
        ($($kind:ident => |$body:ident| $fact:expr),+ $(,)?) => {
            $(if message.is::<pb::$kind>() {
                let $body: pb::$kind = message.decode()?;
                return Ok(Some($fact));
            })+
        };
    }
    first_of! {
        OrderPlaced => |body| OrderFact::Placed {
            units: body.unit_count,
            total: total(body.total.as_ref())?,
        },
        OrderConfirmed => |body| OrderFact::Confirmed {
            after_ms: body.duration_ms,
            units: body.unit_count,
            total: total(body.total.as_ref())?,
        },
        OrderRejected => |body| OrderFact::Rejected {
            after_ms: body.duration_ms,
            reason: body.reason,
        },
        OrderCancelled => |body| OrderFact::Cancelled { after_ms: body.duration_ms },
        OrderShipped => |body| OrderFact::Shipped {
            after_ms: body.duration_ms,
            total: body.total.as_ref().map(amount).transpose()?,
        },
        OrderDelivered => |body| OrderFact::Delivered { after_ms: body.duration_ms },
        OrderReturned => |body| OrderFact::Returned {
            after_ms: body.duration_ms,
            total: body.total.as_ref().map(amount).transpose()?,
        },
        OrderRefunded => |body| OrderFact::Refunded {
            after_ms: body.duration_ms,
            amount: total(body.amount.as_ref())?,
        },
        OrderNeedsAttention => |body| OrderFact::NeedsAttention { after_ms: body.duration_ms },
    }
    Ok(None)
}

fn total(money: Option<&common::Money>) -> Result<Money, HandleError> {
    money_from_proto(money).map_err(|fault| poison("unreadable_total", format!("total {fault}")))
}

fn amount(money: &common::Money) -> Result<Money, HandleError> {
    total(Some(money))
}

/// Its name is the message's id, and its content the message's body: should the vocabulary grow,
/// a message that comes again is still the same.
fn batch(message: &Message, counted: Vec<Counted>) -> Result<Batch, HandleError> {
    let at_ms = message.time.unix_timestamp_nanos().div_euclid(1_000_000);
    let at_ms = i64::try_from(at_ms);
    let at_ms = at_ms.map_err(|fault| poison("time_out_of_range", fault.to_string()))?;
    let mut batch = Batch {
        tenant: message.tenant,
        name: naming::of_source(SOURCE, message.id.as_uuid().as_bytes(), &content(message)),
        types: Vec::with_capacity(counted.len()),
        // Nobody: a customer's reference is personal, and events are kept for years.
        users: vec![Box::default()],
        events: Vec::with_capacity(counted.len()),
    };
    for (place, Counted { event_type, value }) in (0..).zip(counted) {
        batch.types.push(event_type);
        batch.events.push(Event {
            at_ms,
            value: value as f64,
            place,
            event_type: place,
            user: 0,
        });
    }
    Ok(batch)
}

fn content(message: &Message) -> Vec<u8> {
    [message.kind.as_bytes(), b"\0", &message.body].concat()
}

#[cfg(test)]
mod tests;
