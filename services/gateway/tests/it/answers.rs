//! Each route: what the service is asked, and what the caller is told.

use axum::http::Method;
use serde_json::json;
use tradepost_proto::inventory::v1 as inv;
use tradepost_proto::order::v1 as ord;
use tradepost_proto::payment::v1 as pay;
use tradepost_proto::shipping::v1 as shp;

use crate::fake::ORDER_ID;
use crate::stage::{Stage, an_order, keyed};

fn gbp(minor_units: i64) -> serde_json::Value {
    json!({"currency_code": "GBP", "minor_units": minor_units})
}

#[tokio::test]
async fn an_order_is_placed_as_it_was_written() {
    let stage = Stage::new().await;

    let answer = stage.post("/v1/orders", &an_order()).await;

    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.header("location"),
        Some(&*format!("/v1/orders/{ORDER_ID}"))
    );
    assert_eq!(answer.header("idempotent-replayed"), None);
    assert_eq!(answer.header("preference-applied"), None);
    let expected = json!({
        "order_id": ORDER_ID, "customer_ref": "c-1", "state": "RESERVING",
        "lines": [{
            "line_number": 1, "sku": "A 1/2", "name": "Lamp", "quantity": 2,
            "unit_price": gbp(600), "agreed_price": false, "total": gbp(1_200),
        }],
        "total": gbp(1_200),
        "shipping_address": {
            "recipient": "Ada", "lines": ["1 Main St"], "city": "London",
            "postal_code": "N1", "country_code": "GB",
        },
        "payment_id": "payment_1", "reservation_id": "reservation_1",
        "version": 3, "saga_version": 1,
        "create_time": "1970-01-01T00:00:00Z", "update_time": "1970-01-01T00:00:01Z",
    });
    assert_eq!(answer.json(), expected);
    let asked: ord::PlaceOrderRequest = stage.fake.only();
    assert_eq!(asked.request_id, "key-1");
    assert_eq!(asked.customer_ref, "c-1");
    assert_eq!(asked.currency_code, "GBP");
    assert_eq!(asked.payment_method, "pm_card_visa");
    assert_eq!(asked.lines[0].sku, "A 1/2");
    assert_eq!(asked.lines[0].agreed_unit_price, None);
    assert_eq!(
        asked.lines[1]
            .agreed_unit_price
            .as_ref()
            .unwrap()
            .minor_units,
        5
    );
    assert_eq!(asked.shipping_address.unwrap().city, "London");
}

#[tokio::test]
async fn a_repeated_order_is_said_to_be_one() {
    let stage = Stage::new().await;
    *stage.fake.old.lock().unwrap() = true;

    let answer = stage.post("/v1/orders", &an_order()).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn orders_are_listed_by_every_filter() {
    let stage = Stage::new().await;

    let answer = stage
        .get(
            "/v1/orders?state=CONFIRMED&state=NEEDS_ATTENTION&customer_ref=c%201&page_size=7\
             &page_token=p&create_time_from=1970-01-01T01:00:00%2B01:00\
             &create_time_until=1970-01-01T00:00:05.5Z",
        )
        .await;

    assert_eq!(answer.status, 200);
    let page = answer.json();
    assert_eq!(page["next_page_token"], "next");
    assert_eq!(page["orders"][0]["state"], "NEEDS_ATTENTION");
    assert_eq!(page["orders"][0].get("lines"), None);
    let asked: ord::ListOrdersRequest = stage.fake.only();
    let states = [ord::OrderState::Confirmed, ord::OrderState::NeedsAttention];
    assert_eq!(asked.states, states.map(i32::from));
    assert_eq!(asked.customer_ref, "c 1");
    assert_eq!((asked.page_size, asked.page_token.as_str()), (7, "p"));
    assert_eq!(asked.create_time_from.unwrap().seconds, 0);
    let until = asked.create_time_until.unwrap();
    assert_eq!((until.seconds, until.nanos), (5, 500_000_000));
}

#[tokio::test]
async fn an_order_is_read_and_cancelled() {
    let stage = Stage::new().await;

    let read = stage.get("/v1/orders/order_x").await;
    let plain = stage.post_raw("/v1/orders/order_x/cancel", "").await;
    let noted = stage
        .post(
            "/v1/orders/order_x/cancel",
            &json!({"note": "changed my mind"}),
        )
        .await;

    assert_eq!(
        (read.status, &read.json()["state"]),
        (200.try_into().unwrap(), &json!("CONFIRMED"))
    );
    assert_eq!(plain.json()["state"], "CANCELLING");
    assert_eq!(noted.status, 200);
    assert_eq!(
        stage.fake.all::<ord::GetOrderRequest>()[0].order_id,
        "order_x"
    );
    let cancels = stage.fake.all::<ord::CancelOrderRequest>();
    let notes: Vec<_> = cancels.iter().map(|cancel| cancel.note.as_str()).collect();
    assert_eq!(notes, ["", "changed my mind"]);
    assert_eq!(
        (&*cancels[0].order_id, &*cancels[0].request_id),
        ("order_x", "key-1")
    );
}

#[tokio::test]
async fn a_timeline_tells_what_is_waited_for() {
    let stage = Stage::new().await;

    let answer = stage.get("/v1/orders/order_x/timeline").await;

    let expected = json!({
        "events": [{
            "version": 1, "type": "placed", "state": "RESERVING", "description": "accepted",
            "cause": "request:k", "create_time": "1970-01-01T00:00:00Z",
        }],
        "waiting": {
            "awaited": "the stock", "at_deadline": "asked again",
            "deadline": "1970-01-01T00:01:00Z", "attempts": 1,
        },
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn an_item_is_created_or_replaced_under_any_sku() {
    let stage = Stage::new().await;
    let body = json!({"name": "Lamp", "price": gbp(600), "weight_grams": 250, "active": true});
    let put = || keyed(Method::PUT, "/v1/items/A%201%2F2+%C3%BC", body.to_string());

    let created = stage.send(put()).await;
    *stage.fake.old.lock().unwrap() = true;
    let replaced = stage.send(put()).await;

    assert_eq!(
        (created.status.as_u16(), replaced.status.as_u16()),
        (201, 200)
    );
    let expected = json!({
        "sku": "A 1/2", "name": "Lamp", "price": gbp(600), "weight_grams": 250, "active": true,
        "stock": {"on_hand": 10, "reserved": 4, "available": 6},
        "create_time": "1970-01-01T00:00:00Z", "update_time": "1970-01-01T00:00:01Z",
    });
    assert_eq!(created.json(), expected);
    let asked = &stage.fake.all::<inv::PutItemRequest>()[0];
    assert_eq!((&*asked.sku, &*asked.request_id), ("A 1/2+ü", "key-1"));
    assert_eq!(
        (&*asked.name, asked.weight_grams, asked.active),
        ("Lamp", 250, true)
    );
}

#[tokio::test]
async fn items_are_read_and_listed() {
    let stage = Stage::new().await;

    let read = stage.get("/v1/items/A%201%2F2").await;
    let list = stage.get("/v1/items?sku_prefix=A%20&page_size=3").await;

    assert_eq!(read.json()["sku"], "A 1/2");
    assert_eq!(stage.fake.all::<inv::GetItemRequest>()[0].sku, "A 1/2");
    let page = list.json();
    assert_eq!(page["items"][0]["sku"], "A 1/2");
    assert_eq!(page.get("next_page_token"), None);
    let asked = &stage.fake.all::<inv::ListItemsRequest>()[0];
    assert_eq!(
        (&*asked.sku_prefix, asked.page_size, &*asked.page_token),
        ("A ", 3, "")
    );
}

#[tokio::test]
async fn stock_movements_are_recorded_and_listed() {
    let stage = Stage::new().await;
    let path = "/v1/items/A%2F1/stock-movements";

    let recorded = stage
        .post(path, &json!({"kind": "WRITTEN_OFF", "quantity": 3}))
        .await;
    let list = stage.get(&format!("{path}?page_token=p")).await;

    assert_eq!(recorded.status, 201);
    let movement = json!({
        "movement_id": "movement_1", "sku": "A 1/2", "kind": "WRITTEN_OFF", "delta": -3,
        "on_hand_after": 10, "reference": "", "create_time": "1970-01-01T00:00:00Z",
    });
    let stock = json!({"on_hand": 10, "reserved": 4, "available": 6});
    assert_eq!(
        recorded.json(),
        json!({"movement": movement, "stock": stock})
    );
    assert_eq!(
        list.json(),
        json!({"movements": [movement], "next_page_token": "next"})
    );
    let asked = &stage.fake.all::<inv::RecordStockMovementRequest>()[0];
    assert_eq!(
        (&*asked.sku, asked.kind(), asked.quantity),
        ("A/1", inv::MovementKind::WrittenOff, 3)
    );
    let asked = &stage.fake.all::<inv::ListStockMovementsRequest>()[0];
    assert_eq!((&*asked.sku, &*asked.page_token), ("A/1", "p"));
}

#[tokio::test]
async fn a_payment_is_read_and_refunded() {
    let stage = Stage::new().await;

    let read = stage.get("/v1/payments/payment_1").await;
    let all = stage
        .post("/v1/payments/payment_1/refunds", &json!({}))
        .await;
    let part = json!({"amount": gbp(100), "note": "broken"});
    let part = stage.post("/v1/payments/payment_1/refunds", &part).await;

    let refund = json!({
        "refund_id": "refund_1", "payment_id": "payment_1", "state": "REQUESTED",
        "amount": gbp(100), "note": "broken",
        "create_time": "1970-01-01T00:00:00Z", "update_time": "1970-01-01T00:00:01Z",
    });
    let dispute = json!({
        "dispute_id": "dispute_1", "payment_id": "payment_1", "state": "UNDER_REVIEW",
        "amount": gbp(300), "reason": "FRAUDULENT", "provider_reference": "dp_1",
        "withdrawn": gbp(300), "reinstated": gbp(0), "fee": gbp(15),
        "create_time": "1970-01-01T00:00:00Z", "update_time": "1970-01-01T00:00:01Z",
    });
    let payment = json!({
        "payment_id": "payment_1", "order_id": ORDER_ID, "state": "CAPTURE_UNKNOWN",
        "amount": gbp(1_200), "captured": gbp(0), "refunded": gbp(0),
        "provider_reference": "pi_1", "refunds": [refund], "disputes": [dispute],
        "create_time": "1970-01-01T00:00:00Z", "update_time": "1970-01-01T00:00:01Z",
    });
    assert_eq!(read.json(), payment);
    assert_eq!((all.status.as_u16(), part.json()), (201, refund));
    let asked = stage.fake.all::<pay::CreateRefundRequest>();
    assert_eq!((&asked[0].amount, &*asked[0].note), (&None, ""));
    assert_eq!(asked[1].amount.as_ref().unwrap().minor_units, 100);
    assert_eq!(
        (&*asked[1].note, &*asked[1].request_id),
        ("broken", "key-1")
    );
}

#[tokio::test]
async fn a_shipment_is_read_even_in_a_state_from_the_future() {
    let stage = Stage::new().await;

    let answer = stage.get("/v1/shipments/shipment_1").await;

    let expected = json!({
        "shipment_id": "shipment_1", "order_id": ORDER_ID, "state": "UNSPECIFIED",
        "carrier": "table-rate", "service_level": "standard", "cost": gbp(395),
        "weight_grams": 500,
        "destination": {
            "recipient": "Ada", "lines": ["1 Main St"], "city": "London",
            "postal_code": "N1", "country_code": "GB",
        },
        "tracking_events": [{
            "state": "OUT_FOR_DELIVERY", "description": "on the van",
            "occur_time": "1970-01-01T00:00:02Z",
        }],
        "create_time": "1970-01-01T00:00:00Z", "update_time": "1970-01-01T00:00:01Z",
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(
        stage.fake.only::<shp::GetShipmentRequest>().shipment_id,
        "shipment_1"
    );
}
