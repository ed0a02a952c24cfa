//! The gRPC calls: what they store, what they refuse, and that a repetition changes nothing.

use tradepost_proto::shipping::v1 as pb;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingService;
use tradepost_types::{OrderId, TenantId};

use crate::support::{Depot, NEVER, call_as, fields, reason, shipment_of};

fn report(order: OrderId, key: &str, state: pb::ShipmentState) -> pb::RecordTrackingEventRequest {
    pb::RecordTrackingEventRequest {
        request_id: key.to_owned(),
        shipment_id: shipment_of(order).to_string(),
        state: state.into(),
        description: "scanned in Leeds".to_owned(),
        occur_time: None,
    }
}

#[tokio::test]
async fn a_reported_hand_over_moves_the_parcel_once() {
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    let handed_over = report(order, "scan-1", pb::ShipmentState::HandedOver);

    let first = depot
        .api
        .record_tracking_event(depot.call(handed_over.clone()))
        .await
        .unwrap();
    let again = depot
        .api
        .record_tracking_event(depot.call(handed_over))
        .await
        .unwrap();

    let shipment = first.into_inner().shipment.unwrap();
    assert_eq!(shipment.state(), pb::ShipmentState::HandedOver);
    assert_eq!(
        again.into_inner().shipment.unwrap().tracking_events.len(),
        1
    );
    assert_eq!(
        depot.said(order).await,
        ["shipping.booked", "shipping.handed_over"]
    );
}

#[tokio::test]
async fn a_report_that_cannot_follow_is_refused_and_stores_nothing() {
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    let delivered = report(order, "scan-1", pb::ShipmentState::Delivered);
    let reused = report(order, "scan-2", pb::ShipmentState::Lost);

    let refused = depot.api.record_tracking_event(depot.call(delivered)).await;
    let moved = report(order, "scan-2", pb::ShipmentState::HandedOver);
    depot
        .api
        .record_tracking_event(depot.call(moved))
        .await
        .unwrap();
    let mismatch = depot.api.record_tracking_event(depot.call(reused)).await;

    assert_eq!(reason(refused), "ILLEGAL_TRANSITION");
    assert_eq!(reason(mismatch), "REQUEST_ID_REUSED");
    assert_eq!(depot.get(order).await.tracking_events.len(), 1);
}

#[tokio::test]
async fn a_foreign_tenants_shipment_is_not_found() {
    let depot = Depot::open(NEVER).await;
    let (order, stranger) = (OrderId::new(), TenantId::new());
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();

    let shipment_id = shipment_of(order).to_string();
    let get = call_as(stranger, pb::GetShipmentRequest { shipment_id });
    let record = call_as(
        stranger,
        report(order, "scan-1", pb::ShipmentState::HandedOver),
    );

    assert_eq!(
        reason(depot.api.get_shipment(get).await),
        "SHIPMENT_NOT_FOUND"
    );
    let recorded = depot.api.record_tracking_event(record).await;
    assert_eq!(reason(recorded), "SHIPMENT_NOT_FOUND");
}

#[tokio::test]
async fn every_bad_field_of_a_request_is_named_at_once() {
    let depot = Depot::open(NEVER).await;
    let rates = pb::ListRatesRequest {
        country_code: "gb".into(),
        weight_grams: -1,
        currency_code: "pounds".into(),
    };
    let record = pb::RecordTrackingEventRequest {
        request_id: String::new(),
        shipment_id: "order_1".into(),
        state: pb::ShipmentState::Voided.into(),
        description: "x".repeat(201),
        occur_time: Some(prost_types::Timestamp {
            seconds: 0,
            nanos: -1,
        }),
    };

    let rates = fields(depot.api.list_rates(depot.call(rates)).await);
    let record = fields(depot.api.record_tracking_event(depot.call(record)).await);

    assert_eq!(rates, ["country_code", "weight_grams", "currency_code"]);
    assert_eq!(
        record,
        [
            "request_id",
            "shipment_id",
            "state",
            "description",
            "occur_time"
        ]
    );
}

#[tokio::test]
async fn a_rate_names_its_zone_and_price() {
    let depot = Depot::open(NEVER).await;
    let request = pb::ListRatesRequest {
        country_code: "FR".into(),
        weight_grams: 2_000,
        currency_code: "GBP".into(),
    };

    let rates = depot
        .api
        .list_rates(depot.call(request))
        .await
        .unwrap()
        .into_inner()
        .rates;

    let cost = rates[0].cost.as_ref().unwrap().minor_units;
    assert_eq!((rates[0].zone.as_str(), cost), ("europe", 1_450));
}
