//! From a message to the news in it.

use tradepost_messaging::{HandleError, Message};
use tradepost_notifications::stream::UserName;
use tradepost_proto::common::v1 as common;
use tradepost_proto::convert::money_from_proto;
use tradepost_proto::order::event::v1 as pb;
use tradepost_types::{IdError, Money, OrderId};

use crate::domain::{Code, Happened, OrderNews};

/// Reads a fact. `None` for a kind that nobody is told of: newer order services may tell more.
///
/// # Errors
/// [`HandleError::Poison`] for what cannot be read.
pub(super) fn parse(message: &Message) -> Result<Option<OrderNews>, HandleError> {
    macro_rules! first_of {
        ($($kind:ident => |$body:ident| $happened:expr),+ $(,)?) => {
            $(if message.is::<pb::$kind>() {
                let $body: pb::$kind = message.decode()?;
                let about = (&*$body.order_id, &*$body.customer_ref);
                return news(message, about, $happened).map(Some);
            })+
        };
    }
    first_of! {
        OrderConfirmed => |body| Happened::Confirmed { total: total(body.total.as_ref())? },
        OrderRejected => |body| Happened::Rejected { reason: Code::or_other(&body.reason) },
        OrderCancelled => |body| Happened::Cancelled,
        OrderShipped => |body| Happened::Shipped,
        OrderDelivered => |body| Happened::Delivered,
        OrderReturned => |body| Happened::Returned { total: total(body.total.as_ref())? },
        OrderRefunded => |body| Happened::Refunded {
            refund: body.refund_id.parse().map_err(|fault| unreadable("refund_id", fault))?,
            amount: total(body.amount.as_ref())?,
        },
        OrderNeedsAttention => |body| Happened::NeedsAttention {
            step: Code::or_other(&body.step),
            version: message.sequence,
        },
    }
    Ok(None)
}

fn news(
    message: &Message,
    (order, customer): (&str, &str),
    happened: Happened,
) -> Result<OrderNews, HandleError> {
    let order: OrderId = order
        .parse()
        .map_err(|fault| unreadable("order_id", fault))?;
    let customer: UserName = customer
        .parse()
        .map_err(|fault| poison("unreadable_customer", format!("customer_ref: {fault}")))?;
    Ok(OrderNews {
        tenant: message.tenant,
        order,
        customer,
        happened,
        at: message.time,
    })
}

fn total(money: Option<&common::Money>) -> Result<Money, HandleError> {
    let total = money_from_proto(money)
        .map_err(|fault| poison("unreadable_total", format!("total {fault}")))?;
    if total.minor_units() < 0 {
        let detail = format!("total is {} {}", total.minor_units(), total.currency());
        return Err(poison("unreadable_total", detail));
    }
    Ok(total)
}

fn unreadable(field: &str, fault: IdError) -> HandleError {
    poison("unreadable_id", format!("{field}: {fault}"))
}

fn poison(reason: &'static str, detail: String) -> HandleError {
    HandleError::Poison { reason, detail }
}
