//! What an order waits for, in words.

use time::OffsetDateTime;

use super::order::Order;
use super::phase::{Parcel, PaymentWait, Phase, StockStep, Undo};

/// What an order waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// For what.
    pub awaited: String,
    /// What happens if nothing comes.
    pub at_deadline: String,
    /// Until when.
    pub deadline: Option<OffsetDateTime>,
    /// How often the step was tried.
    pub attempts: u32,
}

/// What the order waits for; `None` when it is final.
#[must_use]
pub fn waiting(order: &Order) -> Option<Waiting> {
    let (awaited, at_deadline) = awaited(&order.saga.phase)?;
    Some(Waiting {
        awaited,
        at_deadline,
        deadline: order.timer.at,
        attempts: order.timer.attempts.saturating_add(1),
    })
}

/// For what, and what happens if it does not come.
fn awaited(phase: &Phase) -> Option<(String, String)> {
    const AGAIN: &str = "the command is sent again";
    let inventory = |command: &str| format!("the inventory service's answer to {command}");
    let payment = |command: &str| format!("the payment service's answer to {command}");
    let words = match phase {
        Phase::Reserving => (inventory("inventory.reserve"), AGAIN.to_owned()),
        Phase::Authorizing(now) => match now.wait {
            PaymentWait::Answer => (
                payment("payment.authorize"),
                "the hold on the stock is extended and the command is sent again".to_owned(),
            ),
            PaymentWait::Unknown { .. } => (
                "the provider's answer, which the payment service asks for".to_owned(),
                "the hold on the stock is extended; after the limit the payment is voided"
                    .to_owned(),
            ),
            PaymentWait::Action { .. } => (
                "the customer, who has to confirm the payment".to_owned(),
                "the hold on the stock is extended; after the limit the payment is voided"
                    .to_owned(),
            ),
        },
        Phase::Confirming(now) => {
            let stock = match now.stock {
                StockStep::Reserving => Some(inventory("inventory.reserve")),
                StockStep::Committing => Some(inventory("inventory.commit")),
                StockStep::Committed | StockStep::Lost => None,
            };
            let parcel = (now.parcel == Parcel::Awaited)
                .then(|| "the shipping service's answer to shipping.book".to_owned());
            let both: Vec<String> = stock.into_iter().chain(parcel).collect();
            (
                both.join(" and "),
                "what is missing is sent again".to_owned(),
            )
        }
        Phase::Confirmed => (
            "the carrier to fetch the parcel".to_owned(),
            "an operator is called".to_owned(),
        ),
        Phase::Capturing { .. } => (payment("payment.capture"), AGAIN.to_owned()),
        Phase::Shipped => (
            "the carrier to deliver the parcel".to_owned(),
            "an operator is called".to_owned(),
        ),
        Phase::Returning { .. } => (
            "the refund and the release of the stock".to_owned(),
            "what is missing is sent again".to_owned(),
        ),
        Phase::Cancelling(now) => match &now.undo {
            Undo::Shipment { .. } => (
                "the shipping service's answer to shipping.void".to_owned(),
                AGAIN.to_owned(),
            ),
            Undo::MoneyAndStock { payment: true, .. } => (
                payment("payment.void"),
                "what is missing is sent again".to_owned(),
            ),
            Undo::MoneyAndStock { payment: false, .. } => {
                (inventory("inventory.release"), AGAIN.to_owned())
            }
        },
        Phase::NeedsAttention(stuck) => (
            format!("an operator, about {}", stuck.step.name()),
            "nothing happens by itself".to_owned(),
        ),
        Phase::Delivered | Phase::Returned | Phase::Cancelled | Phase::Rejected { .. } => {
            return None;
        }
    };
    Some(words)
}
