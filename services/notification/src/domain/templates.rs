//! The texts. Each language is one exhaustive table, so that no news is without a text.
//!
//! In a text `{order}`, `{total}`, `{reason}` and `{step}` stand for what they say. There is nothing
//! else to fill in: no card, no address, no name.

mod de;
mod en;
mod fr;

use tradepost_types::Money;

use super::amount::amount;
use super::{Happened, Locale, OrderNews};

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whose order it is.
    Customer,
    /// Those who work for the tenant.
    Staff,
}

impl Audience {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Customer, Self::Staff];

    /// As it is written in ids and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
        }
    }
}

/// A title and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// A line.
    pub title: &'static str,
    /// The text.
    pub message: String,
}

/// Title and text with its gaps; none if this audience is not told.
type Template = Option<(&'static str, &'static str)>;

/// Why an order was rejected, as far as a customer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Stock,
    Payment,
    Delivery,
    Other,
}

/// How this audience is told of the news; `None`: it is not.
#[must_use]
pub fn wording(news: &OrderNews, audience: Audience, locale: Locale) -> Option<Wording> {
    let template = match (locale, audience) {
        (Locale::En, Audience::Customer) => en::to_customer(&news.happened),
        (Locale::En, Audience::Staff) => en::to_staff(&news.happened),
        (Locale::De, Audience::Customer) => de::to_customer(&news.happened),
        (Locale::De, Audience::Staff) => de::to_staff(&news.happened),
        (Locale::Fr, Audience::Customer) => fr::to_customer(&news.happened),
        (Locale::Fr, Audience::Staff) => fr::to_staff(&news.happened),
    };
    template.map(|(title, text)| Wording {
        title,
        message: filled(text, news, locale),
    })
}

/// In one pass, so that nothing that was filled in is taken for a gap.
fn filled(text: &str, news: &OrderNews, locale: Locale) -> String {
    let mut message = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        message.push_str(before);
        let (gap, behind) = after.split_once('}').unwrap_or((after, ""));
        message.push_str(&value(gap, news, locale));
        rest = behind;
    }
    message.push_str(rest);
    message
}

fn value(gap: &str, news: &OrderNews, locale: Locale) -> String {
    match gap {
        "order" => news.order.to_string(),
        "total" => total(&news.happened).map_or_else(String::new, |money| amount(money, locale)),
        "reason" | "step" => code(&news.happened).to_owned(),
        _ => String::new(),
    }
}

const fn total(happened: &Happened) -> Option<Money> {
    match happened {
        Happened::Confirmed { total } | Happened::Returned { total } => Some(*total),
        Happened::Refunded { amount, .. } => Some(*amount),
        Happened::Rejected { .. }
        | Happened::Cancelled
        | Happened::Shipped
        | Happened::Delivered
        | Happened::NeedsAttention { .. } => None,
    }
}

fn code(happened: &Happened) -> &str {
    match happened {
        Happened::Rejected { reason } => reason.as_str(),
        Happened::NeedsAttention { step, .. } => step.as_str(),
        Happened::Confirmed { .. }
        | Happened::Cancelled
        | Happened::Shipped
        | Happened::Delivered
        | Happened::Returned { .. }
        | Happened::Refunded { .. } => "",
    }
}

/// Customers are told in words; a code that came later than this list is told without a cause. The
/// words of a payment are the provider's, of which there are many.
fn cause(reason: &str) -> Cause {
    const OF_PAYMENT: [&str; 4] = ["CARD", "FUNDS", "PAYMENT", "DECLINED"];
    match reason {
        "OUT_OF_STOCK" => Cause::Stock,
        "DESTINATION_NOT_SERVED" => Cause::Delivery,
        "ACTION_FAILED" | "AUTHORIZATION_EXPIRED" | "DO_NOT_HONOR" | "INCORRECT_CVC" => {
            Cause::Payment
        }
        reason if OF_PAYMENT.iter().any(|word| reason.contains(word)) => Cause::Payment,
        _ => Cause::Other,
    }
}

#[cfg(test)]
mod tests;
