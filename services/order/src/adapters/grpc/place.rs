//! Parsing a new order: all faults at once, with their paths.

use prost::Message;
use tonic::Status;
use tradepost_proto::common::v1::PostalAddress;
use tradepost_proto::convert::money_from_proto;
use tradepost_proto::order::v1::{PlaceOrderLine, PlaceOrderRequest};
use tradepost_service::error::Violations;
use tradepost_service::request_id::fingerprint;
use tradepost_types::{CardToken, Money, Quantity};

use super::DOMAIN;
use super::parse::text;
use crate::domain::{Address, Draft, DraftLine};
use crate::ports::RequestKey;

/// The most lines of one order.
const LINES_MAX: usize = 2_000;
const CUSTOMER_REF_MAX: usize = 100;
const ADDRESS_LINES_MAX: usize = 4;
const ADDRESS_TEXT_MAX: usize = 200;
const PLACE_MAX: usize = 100;
const POSTAL_CODE_MAX: usize = 20;

/// Parses a new order and its key.
pub(super) fn parse(mut request: PlaceOrderRequest) -> Result<(Draft, RequestKey), Status> {
    let mut violations = Violations::new();
    let request_id = std::mem::take(&mut request.request_id);
    violations.request_id(&request_id);
    // What must be the same when the key is used again: everything else.
    let fingerprint = fingerprint(&request.encode_to_vec());
    let customer_ref = request.customer_ref;
    text(
        &mut violations,
        "customer_ref",
        &customer_ref,
        1..=CUSTOMER_REF_MAX,
    );
    let currency = violations.take("currency_code", request.currency_code.parse());
    let lines = parse_lines(&mut violations, request.lines);
    let address = parse_address(&mut violations, request.shipping_address);
    let card: Option<CardToken> = violations.take("payment_method", request.payment_method.parse());
    match (currency, lines, address, card) {
        (Some(currency), Some(lines), Some(address), Some(card)) if violations.is_empty() => {
            let draft = Draft {
                customer_ref,
                currency,
                lines,
                address,
                payment_method: card.into_string(),
            };
            let key = RequestKey {
                request_id,
                fingerprint,
            };
            Ok((draft, key))
        }
        _ => Err(violations.into_failure(DOMAIN).into()),
    }
}

fn parse_lines(violations: &mut Violations, lines: Vec<PlaceOrderLine>) -> Option<Vec<DraftLine>> {
    if !(1..=LINES_MAX).contains(&lines.len()) {
        violations.add("lines", format!("must have 1 to {LINES_MAX} entries"));
        return None;
    }
    let mut parsed = Vec::with_capacity(lines.len());
    let count = lines.len();
    for (index, line) in lines.into_iter().enumerate() {
        parsed.extend(parse_line(violations, index, &line));
    }
    (parsed.len() == count).then_some(parsed)
}

fn parse_line(
    violations: &mut Violations,
    index: usize,
    line: &PlaceOrderLine,
) -> Option<DraftLine> {
    let sku = violations.take(format!("lines[{index}].sku"), line.sku.parse());
    let quantity = violations.take(
        format!("lines[{index}].quantity"),
        Quantity::try_from(line.quantity),
    );
    let agreed_price = match &line.agreed_unit_price {
        None => Some(None),
        Some(price) => {
            let field = format!("lines[{index}].agreed_unit_price");
            let price = violations.take(&field, money_from_proto(Some(price)));
            not_negative(violations, &field, price)
        }
    };
    Some(DraftLine {
        sku: sku?,
        quantity: quantity?,
        agreed_price: agreed_price?,
    })
}

fn not_negative(
    violations: &mut Violations,
    field: &str,
    price: Option<Money>,
) -> Option<Option<Money>> {
    let price = price?;
    if price.minor_units() < 0 {
        violations.add(field, "must not be negative");
        return None;
    }
    Some(Some(price))
}

fn parse_address(violations: &mut Violations, address: Option<PostalAddress>) -> Option<Address> {
    let Some(address) = address else {
        violations.add("shipping_address", "is required");
        return None;
    };
    let field = |name: &str| format!("shipping_address.{name}");
    text(
        violations,
        &field("recipient"),
        &address.recipient,
        1..=ADDRESS_TEXT_MAX,
    );
    if !(1..=ADDRESS_LINES_MAX).contains(&address.lines.len()) {
        let wanted = format!("must have 1 to {ADDRESS_LINES_MAX} entries");
        violations.add(field("lines"), wanted);
    }
    for (index, line) in address.lines.iter().take(ADDRESS_LINES_MAX).enumerate() {
        let field = field(&format!("lines[{index}]"));
        text(violations, &field, line, 1..=ADDRESS_TEXT_MAX);
    }
    text(violations, &field("city"), &address.city, 1..=PLACE_MAX);
    text(violations, &field("region"), &address.region, 0..=PLACE_MAX);
    text(
        violations,
        &field("postal_code"),
        &address.postal_code,
        0..=POSTAL_CODE_MAX,
    );
    let country = address.country_code.as_bytes();
    if country.len() != 2 || !country.iter().all(u8::is_ascii_uppercase) {
        let wanted = "must be an ISO 3166-1 alpha-2 code in upper case, such as GB";
        violations.add(field("country_code"), wanted);
    }
    Some(Address {
        recipient: address.recipient,
        lines: address.lines,
        city: address.city,
        region: address.region,
        postal_code: address.postal_code,
        country_code: address.country_code,
    })
}
