//! From requests to values: every fault of a request is told at once.

use prost::Message;
use time::{Duration, OffsetDateTime};
use tonic::Status;
use tradepost_proto::convert::timestamp_from_proto;
use tradepost_proto::shipping::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::request_id;
use tradepost_types::{Currency, ShipmentId};

use super::DOMAIN;
use crate::domain::{Rates, State, Update};
use crate::ports::RequestKey;

/// How far a carrier's clock may be ahead of ours. A report from later than that would make every
/// true one after it look late.
const AHEAD_MAX: Duration = Duration::hours(24);
const DESCRIPTION_CHARS_MAX: usize = 200;

pub(super) fn shipment_id(text: &str) -> Result<ShipmentId, Status> {
    let mut faults = Violations::new();
    let id = faults.take("shipment_id", text.parse::<ShipmentId>());
    finish(faults, id)
}

pub(super) fn rates(request: &pb::ListRatesRequest) -> Result<(&str, i64, Currency), Status> {
    let mut faults = Violations::new();
    let country = request.country_code.as_str();
    if country.len() != 2 || !country.bytes().all(|letter| letter.is_ascii_uppercase()) {
        faults.add(
            "country_code",
            "must be an ISO 3166-1 alpha-2 code in upper case",
        );
    }
    if !(0..=Rates::WEIGHT_GRAMS_MAX).contains(&request.weight_grams) {
        faults.add("weight_grams", "must be 0 to 1,000,000,000");
    }
    let currency = faults.take("currency_code", request.currency_code.parse::<Currency>());
    let currency = finish(faults, currency)?;
    Ok((country, request.weight_grams, currency))
}

pub(super) fn update(
    request: &pb::RecordTrackingEventRequest,
    now: OffsetDateTime,
) -> Result<(RequestKey, ShipmentId, Update), Status> {
    let mut faults = Violations::new();
    faults.request_id(&request.request_id);
    let id = faults.take("shipment_id", request.shipment_id.parse::<ShipmentId>());
    let state = state(request.state());
    if state.is_none() {
        faults.add("state", "must be a state that a carrier reports");
    }
    let description = &request.description;
    if description.chars().count() > DESCRIPTION_CHARS_MAX {
        faults.add("description", "has at most 200 characters");
    }
    if description.chars().any(char::is_control) {
        faults.add("description", "must not hold control characters");
    }
    let at = match request.occur_time {
        Some(at) => faults.take("occur_time", timestamp_from_proto(at)),
        None => Some(now),
    };
    if at.is_some_and(|at| at - now > AHEAD_MAX) {
        faults.add("occur_time", "must not be more than 24 hours from now");
    }
    let ((id, state), at) = finish(faults, id.zip(state).zip(at))?;
    let fingerprint = request_id::fingerprint(&request.encode_to_vec());
    let key = RequestKey {
        id: request.request_id.clone(),
        fingerprint,
    };
    Ok((
        key,
        id,
        Update {
            state,
            description: description.clone(),
            at,
        },
    ))
}

/// What a carrier can report: a label is ours to make, and a void ours to ask for.
const fn state(state: pb::ShipmentState) -> Option<State> {
    match state {
        pb::ShipmentState::HandedOver => Some(State::HandedOver),
        pb::ShipmentState::InTransit => Some(State::InTransit),
        pb::ShipmentState::OutForDelivery => Some(State::OutForDelivery),
        pb::ShipmentState::Delivered => Some(State::Delivered),
        pb::ShipmentState::Exception => Some(State::Exception),
        pb::ShipmentState::ReturnedToSender => Some(State::ReturnedToSender),
        pb::ShipmentState::Lost => Some(State::Lost),
        pb::ShipmentState::Unspecified
        | pb::ShipmentState::Planned
        | pb::ShipmentState::LabelReady
        | pb::ShipmentState::Voided => None,
    }
}

/// The value, or all faults. A value is missing only with a fault.
fn finish<T>(faults: Violations, value: Option<T>) -> Result<T, Status> {
    faults.check(DOMAIN)?;
    value.ok_or_else(|| Status::internal("a value without a fault is missing"))
}
