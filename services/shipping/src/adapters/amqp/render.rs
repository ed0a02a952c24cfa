//! From news to messages.

use tradepost_messaging::{Message, Outgoing};
use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::routing::Event;
use tradepost_proto::shipping::event::v1 as pb;
use tradepost_types::TenantId;

use crate::domain::{News, Shipment};

/// The event that tells news of what the shipment's next write makes of it; without a cause the
/// order's id is the correlation.
pub(crate) fn news(shipment: &Shipment, news: &News, cause: Option<&Message>) -> Outgoing {
    let version = shipment.version + 1;
    let outgoing = told(shipment, news).about(shipment.id.to_string(), version);
    match cause {
        Some(cause) => outgoing.caused_by(cause),
        None => outgoing.correlated(shipment.order.as_uuid()),
    }
}

#[expect(clippy::too_many_lines, reason = "one arm an event, and nothing else")]
fn told(shipment: &Shipment, news: &News) -> Outgoing {
    let shipment_id = shipment.id.to_string();
    let order_id = shipment.order.to_string();
    let tenant = shipment.tenant;
    match news {
        News::Booked {
            carrier,
            tracking_number,
        } => {
            let (carrier, tracking_number) = (carrier.clone(), tracking_number.clone());
            let body = pb::ShipmentBooked {
                shipment_id,
                order_id,
                carrier,
                tracking_number,
            };
            event(tenant, &body)
        }
        News::BookingFailed { reason } => {
            let reason = reason.clone();
            event(
                tenant,
                &pb::ShipmentBookingFailed {
                    shipment_id,
                    order_id,
                    reason,
                },
            )
        }
        News::HandedOver { at } => {
            let occur_time = Some(timestamp_to_proto(*at));
            event(
                tenant,
                &pb::ShipmentHandedOver {
                    shipment_id,
                    order_id,
                    occur_time,
                },
            )
        }
        News::Delivered { at } => {
            let occur_time = Some(timestamp_to_proto(*at));
            event(
                tenant,
                &pb::ShipmentDelivered {
                    shipment_id,
                    order_id,
                    occur_time,
                },
            )
        }
        News::Exception { description } => {
            let description = description.clone();
            event(
                tenant,
                &pb::ShipmentExceptionRaised {
                    shipment_id,
                    order_id,
                    description,
                },
            )
        }
        News::Returned => event(
            tenant,
            &pb::ShipmentReturned {
                shipment_id,
                order_id,
            },
        ),
        News::Lost => event(
            tenant,
            &pb::ShipmentLost {
                shipment_id,
                order_id,
            },
        ),
        News::Voided => event(
            tenant,
            &pb::ShipmentVoided {
                shipment_id,
                order_id,
            },
        ),
        News::VoidRefused => event(
            tenant,
            &pb::ShipmentVoidRefused {
                shipment_id,
                order_id,
            },
        ),
    }
}

fn event<E: Event + prost::Message>(tenant: TenantId, body: &E) -> Outgoing {
    if E::REPLY {
        Outgoing::required_event(E::KEY, tenant, body)
    } else {
        Outgoing::event(E::KEY, tenant, body)
    }
}
