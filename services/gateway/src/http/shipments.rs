//! Shipments.

use axum::Json;
use serde::Serialize;
use tradepost_proto::shipping::v1 as pb;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::path::Named;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::values::{Address, Money, Time, instant, mirrored, present, text};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(get))
}

/// Read a shipment
///
/// With its tracking events.
#[utoipa::path(
    get,
    path = "/v1/shipments/{shipment_id}",
    operation_id = "get_shipment",
    tag = "shipments",
    params(("shipment_id" = String, Path, description = "The shipment's id",
        example = "shipment_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The shipment", body = Shipment))
)]
async fn get(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(shipment_id): Named,
) -> Result<Json<Shipment>, Problem> {
    let request = pb::GetShipmentRequest { shipment_id };
    let found = services.shipping().get(request).await?;
    Shipment::try_from(present(found.shipment)?).map(Json)
}

mirrored! {
    /// Where a shipment stands.
    ShipmentState of pb::ShipmentState {
        /// Accepted, the carrier not yet asked.
        Planned,
        /// The carrier gave a label and a tracking number.
        LabelReady,
        /// The carrier has the parcel.
        HandedOver,
        /// It is on its way.
        InTransit,
        /// It is on the last van.
        OutForDelivery,
        /// It arrived.
        Delivered,
        /// Something went wrong; the carrier tries again, gives it back, or lost it.
        Exception,
        /// It came back.
        ReturnedToSender,
        /// The carrier lost it.
        Lost,
        /// Cancelled before hand-over.
        Voided,
    }
}

/// The parcel of one order.
#[derive(Debug, Serialize, ToSchema)]
struct Shipment {
    /// Its id.
    #[schema(example = "shipment_01h455vb4pex5vsknk084sn02q")]
    shipment_id: String,
    /// The order.
    order_id: String,
    /// Where it stands.
    state: ShipmentState,
    /// Which carrier, once chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    carrier: Option<String>,
    /// Which of its services, once chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    service_level: Option<String>,
    /// What the carrier charges, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cost: Option<Money>,
    /// The weight in grams.
    weight_grams: i64,
    /// Where it goes; left out when the personal data is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    destination: Option<Address>,
    /// The carrier's tracking number, once there is a label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tracking_number: Option<String>,
    /// Where the label is found, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    label_reference: Option<String>,
    /// What happened, oldest first.
    tracking_events: Vec<TrackingEvent>,
    /// When it was asked for.
    create_time: Time,
    /// When it last changed.
    update_time: Time,
}

impl TryFrom<pb::Shipment> for Shipment {
    type Error = Problem;

    fn try_from(shipment: pb::Shipment) -> Result<Self, Problem> {
        let events = shipment.tracking_events.into_iter();
        Ok(Self {
            shipment_id: shipment.shipment_id,
            order_id: shipment.order_id,
            state: ShipmentState::of(shipment.state),
            carrier: text(shipment.carrier),
            service_level: text(shipment.service_level),
            cost: shipment.cost.map(Into::into),
            weight_grams: shipment.weight_grams,
            destination: shipment.destination.map(Into::into),
            tracking_number: text(shipment.tracking_number),
            label_reference: text(shipment.label_reference),
            tracking_events: events
                .map(TrackingEvent::try_from)
                .collect::<Result<_, Problem>>()?,
            create_time: instant(shipment.create_time)?,
            update_time: instant(shipment.update_time)?,
        })
    }
}

/// One thing that happened to a parcel.
#[derive(Debug, Serialize, ToSchema)]
struct TrackingEvent {
    /// The state it led to.
    state: ShipmentState,
    /// What the carrier wrote.
    description: String,
    /// When, by the carrier's clock.
    occur_time: Time,
}

impl TryFrom<pb::TrackingEvent> for TrackingEvent {
    type Error = Problem;

    fn try_from(event: pb::TrackingEvent) -> Result<Self, Problem> {
        Ok(Self {
            state: ShipmentState::of(event.state),
            description: event.description,
            occur_time: instant(event.occur_time)?,
        })
    }
}
