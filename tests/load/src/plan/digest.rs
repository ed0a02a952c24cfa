//! What a plan would send, as a digest.

use sha2::{Digest, Sha256};

use super::Plan;

/// Changes when the meaning of a plan changes.
const VERSION: &str = "tradepost replay 1";
const HEX_DIGITS: usize = 16;

pub(super) fn of(plan: &Plan) -> String {
    let mut hasher = Sha256::new();
    let mut field = |text: &str| {
        // The length first, so that no two lists of fields run together.
        hasher.update(text.len().to_be_bytes());
        hasher.update(text.as_bytes());
    };
    field(VERSION);
    field(&plan.ratio.to_string());
    for order in &plan.orders {
        field(&order.invoice);
        field(&order.customer_ref);
        field(&order.country);
        field(&order.lines.len().to_string());
        for line in &order.lines {
            field(line.sku.as_str());
            field(&line.quantity.to_string());
            field(&line.price_minor.to_string());
        }
    }
    for item in &plan.items {
        field(item.sku.as_str());
        field(&item.name);
        field(&item.price_minor.to_string());
        field(&item.stock.to_string());
    }
    let mut digits = hex::encode(hasher.finalize());
    digits.truncate(HEX_DIGITS);
    digits
}
