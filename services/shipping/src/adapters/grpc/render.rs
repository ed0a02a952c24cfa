//! From values to protobuf.

use tradepost_proto::common::v1::PostalAddress;
use tradepost_proto::convert::{money_to_proto, timestamp_to_proto};
use tradepost_proto::shipping::v1 as pb;

use crate::domain::State;
use crate::ports::{Offer, Stored};

pub(super) fn shipment(stored: Stored) -> pb::Shipment {
    let shipment = stored.shipment;
    let mut rendered = pb::Shipment {
        shipment_id: shipment.id.to_string(),
        order_id: shipment.order.to_string(),
        state: state(shipment.state).into(),
        create_time: Some(timestamp_to_proto(stored.created_at)),
        update_time: Some(timestamp_to_proto(stored.updated_at)),
        ..pb::Shipment::default()
    };
    let events = shipment
        .tracking
        .into_iter()
        .map(|event| pb::TrackingEvent {
            state: state(event.state).into(),
            description: event.description,
            occur_time: Some(timestamp_to_proto(event.at)),
        });
    rendered.tracking_events = events.collect();
    if let Some(details) = shipment.details {
        let to = details.destination;
        rendered.carrier = details.booking.carrier;
        rendered.service_level = details.booking.service_level;
        rendered.tracking_number = details.booking.tracking_number;
        rendered.label_reference = details.booking.label_reference;
        rendered.cost = Some(money_to_proto(details.cost));
        rendered.weight_grams = details.weight_grams;
        rendered.destination = Some(PostalAddress {
            recipient: to.recipient,
            lines: to.lines,
            city: to.city,
            region: to.region,
            postal_code: to.postal_code,
            country_code: to.country_code,
        });
    }
    rendered
}

pub(super) fn rate(offer: Offer) -> pb::Rate {
    let quote = offer.quote;
    pb::Rate {
        carrier: offer.carrier,
        service_level: offer.service_level,
        zone: quote.zone.name().to_owned(),
        cost: Some(money_to_proto(quote.cost)),
        days_min: quote.days_min,
        days_max: quote.days_max,
    }
}

const fn state(state: State) -> pb::ShipmentState {
    match state {
        State::Planned => pb::ShipmentState::Planned,
        State::LabelReady => pb::ShipmentState::LabelReady,
        State::HandedOver => pb::ShipmentState::HandedOver,
        State::InTransit => pb::ShipmentState::InTransit,
        State::OutForDelivery => pb::ShipmentState::OutForDelivery,
        State::Delivered => pb::ShipmentState::Delivered,
        State::Exception => pb::ShipmentState::Exception,
        State::ReturnedToSender => pb::ShipmentState::ReturnedToSender,
        State::Lost => pb::ShipmentState::Lost,
        State::Voided => pb::ShipmentState::Voided,
    }
}
