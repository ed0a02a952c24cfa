//! From a message to what it says about which order.

use std::str::FromStr;

use tradepost_messaging::{HandleError, Message};
use tradepost_proto::common::v1 as common;
use tradepost_proto::convert::money_from_proto;
use tradepost_proto::inventory::event::v1 as inventory;
use tradepost_proto::payment::event::v1 as payment;
use tradepost_proto::shipping::event::v1 as shipping;
use tradepost_types::Money;

use crate::domain::{DisputeNews, Input, PaymentAnswer, RefundAnswer, ShipmentNews, StockAnswer};
use crate::ports::Incoming;

/// Shortfalls named in the history.
const SHORTFALLS_SHOWN_MAX: usize = 10;
/// The longest reason of a dispute in the history.
const REASON_CHARS_MAX: usize = 64;

/// Reads an answer. `None` for a kind that is not for us: the queue's patterns also catch facts
/// that other binaries may send.
///
/// # Errors
/// [`HandleError::Poison`] for a body or an id that cannot be read.
pub fn parse(message: &Message) -> Result<Option<Incoming>, HandleError> {
    let reader = Reader { message };
    for read in [
        Reader::stock,
        Reader::payment,
        Reader::refund,
        Reader::dispute,
        Reader::shipment,
    ] {
        if let Some(incoming) = read(&reader)? {
            return Ok(Some(incoming));
        }
    }
    Ok(None)
}

struct Reader<'a> {
    message: &'a Message,
}

type Parsed = Result<Option<Incoming>, HandleError>;

/// Reads the first of these kinds that fits.
macro_rules! first_of {
    ($reader:ident, $input:path, $id:ident, { $($kind:path => |$body:ident| $answer:expr),+ $(,)? }) => {{
        $(if $reader.message.is::<$kind>() {
            let $body: $kind = $reader.message.decode()?;
            let id = $reader.id(&$body.$id)?;
            let order = $reader.id(&$body.order_id)?;
            return Ok(Some(Incoming {
                message: $reader.message.clone(),
                order,
                input: $input(id, $answer),
            }));
        })+
        Ok(None)
    }};
}

impl Reader<'_> {
    fn id<I>(&self, text: &str) -> Result<I, HandleError>
    where
        I: FromStr,
        I::Err: std::fmt::Display,
    {
        text.parse().map_err(|error: I::Err| HandleError::Poison {
            reason: "unreadable_id",
            detail: error.to_string(),
        })
    }

    fn stock(&self) -> Parsed {
        first_of!(self, Input::Stock, reservation_id, {
            inventory::StockReserved => |_body| StockAnswer::Reserved,
            inventory::ReservationRejected => |body| StockAnswer::Rejected {
                shortfall: shortfall(&body.shortfalls),
                reason: body.reason,
            },
            inventory::ReservationCommitted => |_body| StockAnswer::Committed,
            inventory::ReservationCommitRefused => |body| StockAnswer::CommitRefused {
                reason: body.reason,
            },
            inventory::ReservationReleased => |_body| StockAnswer::Released,
            inventory::ReservationExpired => |_body| StockAnswer::Expired,
        })
    }

    fn payment(&self) -> Parsed {
        first_of!(self, Input::Payment, payment_id, {
            payment::PaymentAuthorized => |_body| PaymentAnswer::Authorized,
            payment::PaymentDeclined => |body| PaymentAnswer::Declined { reason: body.reason },
            payment::PaymentActionRequired => |_body| PaymentAnswer::ActionRequired,
            payment::PaymentOutcomeUnknown => |_body| PaymentAnswer::OutcomeUnknown,
            payment::PaymentConflicted => |_body| PaymentAnswer::Conflicted,
            payment::PaymentCaptured => |_body| PaymentAnswer::Captured,
            payment::PaymentCaptureFailed => |body| PaymentAnswer::CaptureFailed {
                reason: body.reason,
            },
            payment::PaymentVoided => |_body| PaymentAnswer::Voided,
            payment::PaymentVoidFailed => |body| PaymentAnswer::VoidFailed {
                reason: body.reason,
            },
        })
    }

    fn refund(&self) -> Parsed {
        first_of!(self, Input::Refund, refund_id, {
            payment::RefundSucceeded => |body| RefundAnswer::Succeeded {
                amount: amount(body.amount.as_ref())?,
            },
            payment::RefundFailed => |body| RefundAnswer::Failed { reason: body.reason },
        })
    }

    fn dispute(&self) -> Parsed {
        first_of!(self, Input::Dispute, payment_id, {
            payment::PaymentDisputed => |body| DisputeNews::Begun { text: begun(&body) },
            payment::PaymentDisputeClosed => |body| DisputeNews::Closed { text: closed(&body) },
        })
    }

    fn shipment(&self) -> Parsed {
        first_of!(self, Input::Shipment, shipment_id, {
            shipping::ShipmentBooked => |body| ShipmentNews::Booked {
                carrier: body.carrier,
                tracking: body.tracking_number,
            },
            shipping::ShipmentBookingFailed => |body| ShipmentNews::BookingFailed {
                reason: body.reason,
            },
            shipping::ShipmentHandedOver => |_body| ShipmentNews::HandedOver,
            shipping::ShipmentDelivered => |_body| ShipmentNews::Delivered,
            shipping::ShipmentExceptionRaised => |body| ShipmentNews::Exception {
                description: body.description,
            },
            shipping::ShipmentReturned => |_body| ShipmentNews::Returned,
            shipping::ShipmentLost => |_body| ShipmentNews::Lost,
            shipping::ShipmentVoided => |_body| ShipmentNews::Voided,
            shipping::ShipmentVoidRefused => |_body| ShipmentNews::VoidRefused,
        })
    }
}

fn begun(body: &payment::PaymentDisputed) -> String {
    let what = match body.kind() {
        payment::DisputeKind::Inquiry => "the bank asks about",
        payment::DisputeKind::Chargeback | payment::DisputeKind::Unspecified => {
            "the customer disputes"
        }
    };
    let why = body.reason.chars().take(REASON_CHARS_MAX);
    let (amount, why) = (units(body.amount.as_ref()), why.collect::<String>());
    format!(
        "{what} {amount} of the payment: {why} ({})",
        body.dispute_id
    )
}

fn closed(body: &payment::PaymentDisputeClosed) -> String {
    let how = match body.outcome() {
        payment::DisputeOutcome::InquiryClosed => "the bank's question is settled",
        payment::DisputeOutcome::Won => "the dispute is won",
        payment::DisputeOutcome::Lost => "the dispute is lost",
        payment::DisputeOutcome::Unspecified => "the dispute is closed",
    };
    let amount = units(body.amount.as_ref());
    format!("{how}: {amount} ({})", body.dispute_id)
}

fn amount(money: Option<&common::Money>) -> Result<Money, HandleError> {
    money_from_proto(money).map_err(|fault| HandleError::Poison {
        reason: "unreadable_amount",
        detail: format!("amount {fault}"),
    })
}

/// An amount for people, in minor units: how many of them make one of the larger ones is no matter
/// of an order's.
fn units(amount: Option<&common::Money>) -> String {
    amount.map_or_else(
        || "an amount".to_owned(),
        |amount| {
            format!(
                "{} {} (minor units)",
                amount.minor_units, amount.currency_code
            )
        },
    )
}

fn shortfall(shortfalls: &[inventory::Shortfall]) -> String {
    let shown = shortfalls.iter().take(SHORTFALLS_SHOWN_MAX).map(|short| {
        format!(
            "{} wanted {} has {}",
            short.sku, short.wanted, short.available
        )
    });
    shown.collect::<Vec<_>>().join(", ")
}
