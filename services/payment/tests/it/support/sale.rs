//! What is sold, and what the order asks of its payment.

use tradepost_proto::common::v1::Money;
use tradepost_proto::payment::command::v1 as command;
use tradepost_types::{OrderId, PaymentId, RefundId};

/// One order's payment.
#[derive(Clone, Copy)]
pub(crate) struct Sale {
    pub(crate) payment: PaymentId,
    pub(crate) order: OrderId,
}

impl Sale {
    pub(crate) fn new() -> Self {
        Self {
            payment: PaymentId::new(),
            order: OrderId::new(),
        }
    }

    pub(crate) fn authorize(self, units: i64, card: &str) -> command::AuthorizePayment {
        command::AuthorizePayment {
            payment_id: self.payment.to_string(),
            order_id: self.order.to_string(),
            amount: Some(gbp(units)),
            payment_method: card.to_owned(),
        }
    }

    pub(crate) fn capture(self, units: Option<i64>) -> command::CapturePayment {
        command::CapturePayment {
            payment_id: self.payment.to_string(),
            order_id: self.order.to_string(),
            amount: units.map(gbp),
        }
    }

    pub(crate) fn void(self) -> command::VoidPayment {
        command::VoidPayment {
            payment_id: self.payment.to_string(),
            order_id: self.order.to_string(),
        }
    }

    pub(crate) fn refund(self, id: RefundId, units: Option<i64>) -> command::RefundPayment {
        command::RefundPayment {
            refund_id: id.to_string(),
            payment_id: self.payment.to_string(),
            order_id: self.order.to_string(),
            amount: units.map(gbp),
        }
    }
}

pub(crate) fn gbp(minor_units: i64) -> Money {
    Money {
        currency_code: "GBP".to_owned(),
        minor_units,
    }
}
