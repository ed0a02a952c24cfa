//! Every field of every call has a bound, and what lies beyond it is refused by the field's name.

use time::OffsetDateTime;
use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::shipping::v1 as pb;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingService;
use tradepost_shipping::domain::Rates;
use tradepost_types::{OrderId, ShipmentId};

use crate::support::{Depot, NEVER, fields, reason, shipment_of};

fn rates() -> pb::ListRatesRequest {
    pb::ListRatesRequest {
        country_code: "GB".into(),
        weight_grams: 0,
        currency_code: "GBP".into(),
    }
}

fn report(order: OrderId) -> pb::RecordTrackingEventRequest {
    pb::RecordTrackingEventRequest {
        request_id: "~".repeat(255),
        shipment_id: shipment_of(order).to_string(),
        state: pb::ShipmentState::HandedOver.into(),
        description: "é".repeat(200),
        occur_time: Some(timestamp_to_proto(ahead(23))),
    }
}

#[expect(clippy::disallowed_methods, reason = "the call itself reads the clock")]
fn ahead(hours: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::hours(hours)
}

#[tokio::test]
async fn a_shipment_is_asked_for_by_its_id_alone() {
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();
    let absent = ShipmentId::new().to_string();

    for shipment_id in [
        String::new(),
        order.to_string(),
        format!("{absent}0"),
        "x".repeat(4_000),
    ] {
        let request = depot.call(pb::GetShipmentRequest { shipment_id });
        assert_eq!(
            fields(depot.api.get_shipment(request).await),
            ["shipment_id"]
        );
    }
    let request = depot.call(pb::GetShipmentRequest {
        shipment_id: absent,
    });
    assert_eq!(
        reason(depot.api.get_shipment(request).await),
        "SHIPMENT_NOT_FOUND"
    );
}

#[tokio::test]
async fn every_field_of_rates_has_a_bound() {
    type Change = fn(&mut pb::ListRatesRequest);
    let depot = Depot::open(NEVER).await;
    let beyond: [(&str, Change); 8] = [
        ("country_code", |rates| rates.country_code = "gb".into()),
        ("country_code", |rates| rates.country_code = "GBR".into()),
        ("country_code", |rates| rates.country_code = String::new()),
        ("country_code", |rates| rates.country_code = "É".into()),
        ("weight_grams", |rates| rates.weight_grams = -1),
        ("weight_grams", |rates| {
            rates.weight_grams = Rates::WEIGHT_GRAMS_MAX + 1;
        }),
        ("currency_code", |rates| rates.currency_code = "gbp".into()),
        ("currency_code", |rates| rates.currency_code = String::new()),
    ];

    for (field, change) in beyond {
        let mut request = rates();
        change(&mut request);
        assert_eq!(
            fields(depot.api.list_rates(depot.call(request)).await),
            [field]
        );
    }
    let heaviest = pb::ListRatesRequest {
        weight_grams: Rates::WEIGHT_GRAMS_MAX,
        ..rates()
    };
    assert!(depot.api.list_rates(depot.call(heaviest)).await.is_ok());
    let nowhere = pb::ListRatesRequest {
        country_code: "ZZ".into(),
        ..rates()
    };
    let refused = depot.api.list_rates(depot.call(nowhere)).await;
    assert_eq!(reason(refused), "DESTINATION_NOT_SERVED");
}

#[tokio::test]
async fn every_field_of_a_report_has_a_bound() {
    type Change = fn(&mut pb::RecordTrackingEventRequest);
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
    let beyond: [(&str, Change); 14] = [
        ("request_id", |report| report.request_id = String::new()),
        ("request_id", |report| report.request_id = "~".repeat(256)),
        ("request_id", |report| report.request_id = "é".into()),
        ("shipment_id", |report| report.shipment_id = String::new()),
        ("shipment_id", |report| {
            report.shipment_id = "order_1".into();
        }),
        ("state", |report| report.state = 99),
        ("state", |report| {
            report.state = pb::ShipmentState::Unspecified.into();
        }),
        ("state", |report| {
            report.state = pb::ShipmentState::Planned.into();
        }),
        ("state", |report| {
            report.state = pb::ShipmentState::LabelReady.into();
        }),
        ("state", |report| {
            report.state = pb::ShipmentState::Voided.into();
        }),
        ("description", |report| report.description = "é".repeat(201)),
        ("description", |report| report.description = "a\tb".into()),
        ("occur_time", |report| {
            let (seconds, nanos) = (0, -1);
            report.occur_time = Some(prost_types::Timestamp { seconds, nanos });
        }),
        ("occur_time", |report| {
            report.occur_time = Some(timestamp_to_proto(ahead(25)));
        }),
    ];

    for (field, change) in beyond {
        let mut request = report(order);
        change(&mut request);
        let refused = depot.api.record_tracking_event(depot.call(request)).await;
        assert_eq!(fields(refused), [field]);
    }
    let recorded = depot
        .api
        .record_tracking_event(depot.call(report(order)))
        .await;
    assert!(recorded.is_ok());
}
