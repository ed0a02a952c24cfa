//! Accepting orders: bounds, prices, repetition.

use tonic::Code;
use tradepost_proto::order::v1 as pb;
use tradepost_service::error::ErrorDetails;
use tradepost_testkit::eventually;

use crate::stage::{SOON, Stage, gbp, line, of, reason, request};

#[tokio::test(flavor = "multi_thread")]
async fn e01_the_same_request_makes_one_order() {
    let stage = Stage::new().await;
    let request = request();
    let mut client = stage.client.clone();

    let first = client
        .place_order(request.clone())
        .await
        .unwrap()
        .into_inner();
    let again = client
        .place_order(request.clone())
        .await
        .unwrap()
        .into_inner();

    assert!(!first.replayed);
    assert!(again.replayed);
    let (first, again) = (first.order.unwrap(), again.order.unwrap());
    assert_eq!(first.order_id, again.order_id);
    assert_eq!(first.lines, again.lines);
    assert!(again.version >= first.version);
}

#[tokio::test(flavor = "multi_thread")]
async fn e01_a_repetition_is_answered_after_the_item_left_the_catalogue() {
    let stage = Stage::new().await;
    let request = request();
    let order = stage.place(request.clone()).await;
    stage.catalogue.put("MUG", 1, "GBP", false);
    let mut other = request.clone();
    other.lines[0].quantity += 1;
    let mut client = stage.client.clone();

    let again = client.place_order(request).await.unwrap().into_inner();
    let refused = client.place_order(other).await.unwrap_err();

    assert!(again.replayed);
    assert_eq!(again.order.unwrap().order_id, order.order_id);
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn e01_parallel_twins_make_one_order() {
    let stage = Stage::new().await;
    let request = request();

    let calls = (0..12).map(|_| {
        let (mut client, request) = (stage.client.clone(), request.clone());
        async move { client.place_order(request).await.unwrap().into_inner() }
    });
    let answers = futures::future::join_all(calls).await;

    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    let ids: std::collections::HashSet<_> = answers
        .into_iter()
        .map(|answer| answer.order.unwrap().order_id)
        .collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn e01_the_same_key_with_another_body_is_refused() {
    let stage = Stage::new().await;
    let first = request();
    let mut other = first.clone();
    other.lines[0].quantity += 1;
    stage.place(first).await;

    let refused = stage.client.clone().place_order(other).await.unwrap_err();

    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(reason(&refused), "REQUEST_ID_REUSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_of_two_tenants_makes_two_orders() {
    let stage = Stage::new().await;
    let request = request();
    let mut other = stage.as_tenant(tradepost_types::TenantId::new());

    let mine = stage.place(request.clone()).await;
    let theirs = other.place_order(request).await.unwrap().into_inner();

    assert!(!theirs.replayed);
    assert_ne!(theirs.order.unwrap().order_id, mine.order_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn e10_prices_are_a_snapshot() {
    let stage = Stage::new().await;
    let mut request = request();
    request.lines.push(line("CUP", 1));
    request.lines[1].agreed_unit_price = Some(gbp(99));
    let order = stage.place(request.clone()).await;

    stage.catalogue.put("MUG", 9_999, "GBP", true);
    let later = stage.get(&order.order_id).await;
    let replayed = stage.client.clone().place_order(request).await.unwrap();

    assert_eq!(later.lines, order.lines);
    assert_eq!(replayed.into_inner().order.unwrap().lines, order.lines);
    assert_eq!(order.lines[0].unit_price, Some(gbp(1_250)));
    assert!(!order.lines[0].agreed_price);
    assert_eq!(order.lines[1].unit_price, Some(gbp(99)));
    assert!(order.lines[1].agreed_price);
    assert_eq!(order.total, Some(gbp(2 * 1_250 + 99)));
    assert_eq!(order.lines[0].name, "the MUG");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_and_events_cannot_be_changed() {
    let stage = Stage::new().await;
    stage.place(request()).await;
    let mut admin = stage.admin().await;

    for statement in [
        "update order_lines set unit_price_minor = 1",
        "delete from order_lines",
        "update order_events set description = ''",
        "delete from order_events",
        "truncate order_events",
    ] {
        let refused = sqlx::query(statement).execute(&mut admin).await;
        assert!(refused.is_err(), "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalogue_does_not_sell_is_refused_with_its_line() {
    let stage = Stage::new().await;
    stage.catalogue.put("OLD", 1, "GBP", false);
    stage.catalogue.put("EURO", 1, "EUR", true);
    stage.catalogue.put("DEAR", i64::MAX / 2, "GBP", true);

    for (sku, wanted) in [
        ("NOPE", "UNKNOWN_SKU"),
        ("OLD", "ITEM_INACTIVE"),
        ("EURO", "CURRENCY_MISMATCH"),
    ] {
        let mut request = of("MUG");
        request.lines.push(line(sku, 1));
        let refused = stage.client.clone().place_order(request).await.unwrap_err();
        let details = ErrorDetails::from_status(&refused);
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(details.reason, wanted);
        assert_eq!(details.domain, "order.tradepost");
        assert_eq!(details.fields[0].field, "lines[1].sku");
    }
    let mut dear = of("DEAR");
    dear.lines[0].quantity = 3;
    let refused = stage.client.clone().place_order(dear).await.unwrap_err();
    assert_eq!(reason(&refused), "TOTAL_TOO_LARGE");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_named_at_once() {
    let stage = Stage::new().await;
    let faulty = pb::PlaceOrderRequest {
        request_id: String::new(),
        customer_ref: String::new(),
        currency_code: "gbp".into(),
        lines: vec![line("MUG", 1), line("", 0), line("MUG", 1_000_001)],
        shipping_address: None,
        payment_method: "4242424242424242".into(),
    };

    let refused = stage.client.clone().place_order(faulty).await.unwrap_err();

    let details = ErrorDetails::from_status(&refused);
    let fields: Vec<&str> = details
        .fields
        .iter()
        .map(|fault| fault.field.as_str())
        .collect();
    assert_eq!(details.reason, "INVALID_FIELD");
    assert_eq!(
        fields,
        [
            "request_id",
            "customer_ref",
            "currency_code",
            "lines[1].sku",
            "lines[1].quantity",
            "lines[2].quantity",
            "shipping_address",
            "payment_method"
        ]
    );
}

type Spoil = fn(&mut pb::PlaceOrderRequest);

#[tokio::test(flavor = "multi_thread")]
async fn every_bound_is_kept() {
    let stage = Stage::new().await;
    let cases: Vec<(&str, Spoil)> = vec![
        ("request_id", |r| r.request_id = "x".repeat(256)),
        ("request_id", |r| r.request_id = "ü".into()),
        ("customer_ref", |r| r.customer_ref = "x".repeat(101)),
        ("customer_ref", |r| r.customer_ref = "a\0b".into()),
        ("currency_code", |r| r.currency_code = "XXX".into()),
        ("lines", |r| r.lines.clear()),
        ("lines", |r| r.lines = vec![line("MUG", 1); 2_001]),
        ("lines[0].sku", |r| r.lines[0].sku = "x".repeat(65)),
        ("lines[0].sku", |r| r.lines[0].sku = "a\nb".into()),
        ("lines[0].quantity", |r| r.lines[0].quantity = -1),
        ("lines[0].agreed_unit_price", |r| {
            r.lines[0].agreed_unit_price = Some(gbp(-1));
        }),
        ("shipping_address.recipient", |r| {
            address(r).recipient.clear();
        }),
        ("shipping_address.recipient", |r| {
            address(r).recipient = "x".repeat(201);
        }),
        ("shipping_address.lines", |r| address(r).lines.clear()),
        ("shipping_address.lines", |r| {
            address(r).lines = vec!["x".into(); 5];
        }),
        ("shipping_address.lines[0]", |r| {
            address(r).lines = vec!["x".repeat(201)];
        }),
        ("shipping_address.city", |r| {
            address(r).city = "x".repeat(101);
        }),
        ("shipping_address.region", |r| {
            address(r).region = "x".repeat(101);
        }),
        ("shipping_address.postal_code", |r| {
            address(r).postal_code = "x".repeat(21);
        }),
        ("shipping_address.country_code", |r| {
            address(r).country_code = "gb".into();
        }),
        ("payment_method", |r| r.payment_method.clear()),
        ("payment_method", |r| r.payment_method = "x".repeat(256)),
        ("payment_method", |r| r.payment_method = "pm card".into()),
    ];

    for (field, spoil) in cases {
        let mut request = request();
        spoil(&mut request);
        let refused = stage.client.clone().place_order(request).await.unwrap_err();
        let details = ErrorDetails::from_status(&refused);
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert_eq!(details.fields.len(), 1, "{field}: {:?}", details.fields);
        assert_eq!(details.fields[0].field, field);
    }
}

fn address(request: &mut pb::PlaceOrderRequest) -> &mut tradepost_proto::common::v1::PostalAddress {
    request.shipping_address.as_mut().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_order_is_taken() {
    let stage = Stage::new().await;
    let mut request = request();
    request.lines = vec![line("MUG", 1_000_000); 2_000];

    let order = stage.place(request).await;

    assert_eq!(order.lines.len(), 2_000);
    assert_eq!(order.total, Some(gbp(1_250 * 1_000_000 * 2_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_prices_no_order_is_taken() {
    let stage = Stage::with(|config| {
        config.inventory.url = "http://127.0.0.1:1".parse().unwrap();
        config.inventory.timeout_ms = 300;
    })
    .await;

    let refused = stage
        .client
        .clone()
        .place_order(request())
        .await
        .unwrap_err();

    let details = ErrorDetails::from_status(&refused);
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(details.reason, "INVENTORY_UNAVAILABLE");
    assert!(details.retry_after.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_order_goes_around_the_payment() {
    let stage = Stage::new().await;
    let mut request = request();
    request.lines[0].agreed_unit_price = Some(gbp(0));

    let order = stage.placed_until(request, pb::OrderState::Confirmed).await;

    assert_eq!(order.payment_id, "");
    assert_eq!(stage.participants.count(&order.order_id, "authorize"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_store_can_do_is_refused_as_overload_with_a_time_to_come_back() {
    let stage = Stage::with(|config| {
        config.database.max_connections = 1;
        config.database.acquire_timeout_ms = 3_000;
    })
    .await;
    stage.place(request()).await;
    let mut admin = stage.admin().await;
    let mut holder = sqlx::Connection::begin(&mut admin).await.unwrap();
    sqlx::query("lock table order_lines")
        .execute(&mut *holder)
        .await
        .unwrap();
    let (mut client, at_work) = (stage.client.clone(), request());

    // It takes the one connection and waits for the lock.
    let waits = tokio::spawn(async move { client.place_order(at_work).await });
    let refused = eventually("the next one is refused", SOON, async || {
        let list = pb::ListOrdersRequest::default();
        stage.client.clone().list_orders(list).await.err()
    })
    .await;
    holder.rollback().await.unwrap();

    let details = ErrorDetails::from_status(&refused);
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(details.reason, "OVERLOADED");
    assert!(details.retry_after.is_some());
    assert!(waits.await.unwrap().is_ok());
}
