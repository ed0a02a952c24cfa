//! English.

use super::{Cause, Template, cause};
use crate::domain::Happened;

pub(super) fn to_customer(happened: &Happened) -> Template {
    let told = match happened {
        Happened::Confirmed { .. } => (
            "Your order is confirmed",
            "Thank you. We have your order {order} over {total} and are getting it ready.",
        ),
        Happened::Rejected { reason } => (
            "We could not take your order",
            match cause(reason.as_str()) {
                Cause::Stock => "Something in your order {order} is sold out. You pay nothing.",
                Cause::Payment => {
                    "The payment of your order {order} was not accepted. You pay nothing."
                }
                Cause::Delivery => {
                    "Your order {order} cannot be delivered to where you want it. You pay nothing."
                }
                Cause::Other => "Your order {order} could not be fulfilled. You pay nothing.",
            },
        ),
        Happened::Cancelled => (
            "Your order is cancelled",
            "Your order {order} is cancelled, as you wished. You pay nothing.",
        ),
        Happened::Shipped => (
            "Your order is on its way",
            "The carrier has the parcel with your order {order}.",
        ),
        Happened::Delivered => (
            "Your order has arrived",
            "The parcel with your order {order} was delivered.",
        ),
        Happened::Returned { .. } => (
            "Your money is on its way back",
            "The parcel with your order {order} came back to us. {total} is refunded.",
        ),
        Happened::Refunded { .. } => (
            "You get money back",
            "{total} of what you paid for your order {order} is refunded.",
        ),
        Happened::NeedsAttention { .. } => return None,
    };
    Some(told)
}

pub(super) const fn to_staff(happened: &Happened) -> Template {
    let told = match happened {
        Happened::Confirmed { .. } => (
            "Order confirmed",
            "Order {order} over {total} is confirmed.",
        ),
        Happened::Rejected { .. } => (
            "Order rejected",
            "Order {order} could not be fulfilled: {reason}. Everything was undone.",
        ),
        Happened::Cancelled => (
            "Order cancelled",
            "Order {order} was cancelled at the customer's wish. Everything was undone.",
        ),
        Happened::Shipped => (
            "Order shipped",
            "The carrier has the parcel of order {order}.",
        ),
        Happened::Delivered => (
            "Order delivered",
            "The parcel of order {order} was delivered.",
        ),
        Happened::Returned { .. } => (
            "Order returned",
            "The parcel of order {order} came back. {total} was refunded.",
        ),
        Happened::Refunded { .. } => (
            "Money was refunded",
            "{total} of order {order} was refunded.",
        ),
        Happened::NeedsAttention { .. } => (
            "An order needs attention",
            "Order {order} is stuck at the step {step} and cannot go on by itself.",
        ),
    };
    Some(told)
}
