//! From requests to values: every fault of a request is told at once.

use std::collections::BTreeSet;

use prost::Message;
use tonic::Status;
use tradepost_proto::convert::money_from_proto;
use tradepost_proto::inventory::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::request_id;
use tradepost_types::{ReservationId, Sku};

use super::DOMAIN;
use crate::domain::{MovementKind, UNITS_MAX};
use crate::ports::{NewItem, NewMovement, RequestKey};

/// The most SKUs of one question: the most lines of an order.
const SKUS_MAX: usize = 2_000;
const NAME_CHARS_MAX: usize = 200;
const REFERENCE_CHARS_MAX: usize = 200;
const WEIGHT_GRAMS_MAX: i64 = 1_000_000;
/// So that a line of a million units still has a total.
const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;

pub(super) fn sku(text: &str) -> Result<Sku, Status> {
    let mut faults = Violations::new();
    let sku = faults.take("sku", text.parse::<Sku>());
    finish(faults, sku)
}

pub(super) fn reservation_id(text: &str) -> Result<ReservationId, Status> {
    let mut faults = Violations::new();
    let id = faults.take("reservation_id", text.parse::<ReservationId>());
    finish(faults, id)
}

/// The SKUs, each once.
pub(super) fn skus(texts: &[String]) -> Result<Vec<Sku>, Status> {
    let mut faults = Violations::new();
    if texts.is_empty() || texts.len() > SKUS_MAX {
        faults.add("skus", "must hold 1 to 2,000 SKUs");
    }
    let skus: BTreeSet<Sku> = texts
        .iter()
        .take(SKUS_MAX)
        .enumerate()
        .filter_map(|(index, text)| faults.take(format!("skus[{index}]"), text.parse::<Sku>()))
        .collect();
    faults.check(DOMAIN)?;
    Ok(skus.into_iter().collect())
}

pub(super) fn sku_prefix(text: &str) -> Result<&str, Status> {
    let mut faults = Violations::new();
    if text.len() > Sku::MAX_BYTES {
        faults.add("sku_prefix", "has at most 64 bytes");
    }
    if text.chars().any(char::is_control) {
        faults.add("sku_prefix", "must not hold control characters");
    }
    faults.check(DOMAIN)?;
    Ok(text)
}

pub(super) fn put_item(request: &pb::PutItemRequest) -> Result<(RequestKey, NewItem), Status> {
    let mut faults = Violations::new();
    faults.request_id(&request.request_id);
    let sku = faults.take("sku", request.sku.parse::<Sku>());
    text(&mut faults, "name", &request.name, NAME_CHARS_MAX);
    if request.name.is_empty() {
        faults.add("name", "is required");
    }
    let price = faults.take("price", money_from_proto(request.price.as_ref()));
    if price.is_some_and(|price| !(0..=PRICE_MINOR_MAX).contains(&price.minor_units())) {
        faults.add("price.minor_units", "must be 0 to 1,000,000,000,000");
    }
    if !(0..=WEIGHT_GRAMS_MAX).contains(&request.weight_grams) {
        faults.add("weight_grams", "must be 0 to 1,000,000");
    }
    let (sku, price) = finish(faults, sku.zip(price))?;
    let item = NewItem {
        sku,
        name: request.name.clone(),
        price,
        weight_grams: request.weight_grams,
        active: request.active,
    };
    Ok((key(&request.request_id, request), item))
}

pub(super) fn movement(
    request: &pb::RecordStockMovementRequest,
) -> Result<(RequestKey, NewMovement), Status> {
    let mut faults = Violations::new();
    faults.request_id(&request.request_id);
    let sku = faults.take("sku", request.sku.parse::<Sku>());
    text(
        &mut faults,
        "reference",
        &request.reference,
        REFERENCE_CHARS_MAX,
    );
    let quantity = request.quantity;
    if !(-UNITS_MAX..=UNITS_MAX).contains(&quantity) || quantity == 0 {
        faults.add(
            "quantity",
            "must not be 0 and at most 1,000,000,000 either way",
        );
    }
    let kind = match request.kind() {
        pb::MovementKind::Received => Some((MovementKind::Received, 1)),
        pb::MovementKind::Adjusted => Some((MovementKind::Adjusted, 1)),
        pb::MovementKind::WrittenOff => Some((MovementKind::WrittenOff, -1)),
        pb::MovementKind::Unspecified | pb::MovementKind::Sold | pb::MovementKind::Restocked => {
            faults.add("kind", "must be RECEIVED, ADJUSTED or WRITTEN_OFF");
            None
        }
    };
    if kind.is_some_and(|(kind, _)| kind != MovementKind::Adjusted) && quantity < 0 {
        faults.add("quantity", "must be above 0; only ADJUSTED may be negative");
    }
    let (sku, (kind, sign)) = finish(faults, sku.zip(kind))?;
    let reference = request.reference.clone();
    let movement = NewMovement {
        sku,
        kind,
        delta: sign * quantity,
        reference,
    };
    Ok((key(&request.request_id, request), movement))
}

fn key(id: &str, request: &impl Message) -> RequestKey {
    let fingerprint = request_id::fingerprint(&request.encode_to_vec());
    RequestKey {
        id: id.to_owned(),
        fingerprint,
    }
}

fn text(faults: &mut Violations, field: &str, text: &str, chars_max: usize) {
    if text.chars().count() > chars_max {
        faults.add(field, format!("has at most {chars_max} characters"));
    }
    if text.chars().any(char::is_control) {
        faults.add(field, "must not hold control characters");
    }
}

/// The value, or all faults. A value is missing only with a fault.
fn finish<T>(faults: Violations, value: Option<T>) -> Result<T, Status> {
    faults.check(DOMAIN)?;
    value.ok_or_else(|| Status::internal("a value without a fault is missing"))
}
