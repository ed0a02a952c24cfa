//! Every field of every call and command has a bound, and what lies beyond it is refused by the
//! field's name.

use std::sync::Arc;

use tonic::{Code, Status};
use tradepost_inventory::adapters::amqp::subscription;
use tradepost_inventory::metrics::Metrics;
use tradepost_messaging::{Delivery, HandleError, Handler, Outgoing};
use tradepost_proto::inventory::command::v1 as cmd;
use tradepost_proto::inventory::v1 as pb;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryService;
use tradepost_proto::routing::Command;
use tradepost_service::error::ErrorDetails;
use tradepost_telemetry::Registry;
use tradepost_types::{OrderId, ReservationId};

use crate::support::{Warehouse, fields, movement, new_item, reason};

/// What no SKU is.
fn no_skus() -> [String; 4] {
    [
        String::new(),
        "x".repeat(65),
        "é".repeat(33),
        "a\0b".to_owned(),
    ]
}

#[tokio::test]
async fn every_field_of_an_item_has_a_bound() {
    type Change = fn(&mut pb::PutItemRequest);
    let shop = Warehouse::open().await;
    let beyond: [(&str, Change); 16] = [
        ("request_id", |item| item.request_id = String::new()),
        ("request_id", |item| item.request_id = "~".repeat(256)),
        ("request_id", |item| item.request_id = "é".into()),
        ("sku", |item| item.sku = String::new()),
        ("sku", |item| item.sku = "x".repeat(65)),
        ("sku", |item| item.sku = "a\nb".into()),
        ("name", |item| item.name = String::new()),
        ("name", |item| item.name = "é".repeat(201)),
        ("name", |item| item.name = "a\u{7f}b".into()),
        ("price", |item| item.price = None),
        ("price", |item| {
            item.price.as_mut().unwrap().currency_code = "gbp".into();
        }),
        ("price.minor_units", |item| {
            item.price.as_mut().unwrap().minor_units = -1;
        }),
        ("price.minor_units", |item| {
            item.price.as_mut().unwrap().minor_units = 1_000_000_000_001;
        }),
        ("weight_grams", |item| item.weight_grams = -1),
        ("weight_grams", |item| item.weight_grams = 1_000_001),
        ("weight_grams", |item| item.weight_grams = i64::MIN),
    ];

    for (field, change) in beyond {
        let mut item = new_item("A");
        change(&mut item);
        assert_eq!(fields(shop.api.put_item(shop.call(item)).await), [field]);
    }
    let list = shop.call(pb::ListItemsRequest::default());
    let stored = shop.api.list_items(list).await.unwrap().into_inner();
    assert_eq!(stored.items, []);
    let mut largest = pb::PutItemRequest {
        request_id: "~".repeat(255),
        name: "é".repeat(200),
        weight_grams: 1_000_000,
        ..new_item(&"x".repeat(64))
    };
    largest.price.as_mut().unwrap().minor_units = 1_000_000_000_000;
    assert!(shop.api.put_item(shop.call(largest)).await.is_ok());
}

#[tokio::test]
async fn every_field_of_a_movement_has_a_bound() {
    type Change = fn(&mut pb::RecordStockMovementRequest);
    let shop = Warehouse::open().await;
    shop.stocked("A", 0).await;
    let beyond: [(&str, Change); 13] = [
        ("request_id", |moved| moved.request_id = String::new()),
        ("request_id", |moved| moved.request_id = "~".repeat(256)),
        ("request_id", |moved| moved.request_id = "a b\t".into()),
        ("sku", |moved| moved.sku = String::new()),
        ("sku", |moved| moved.sku = "x".repeat(65)),
        ("sku", |moved| moved.sku = "a\0".into()),
        ("kind", |moved| moved.kind = 99),
        ("kind", |moved| moved.kind = pb::MovementKind::Sold.into()),
        ("kind", |moved| {
            moved.kind = pb::MovementKind::Restocked.into();
        }),
        ("quantity", |moved| moved.quantity = 0),
        ("quantity", |moved| moved.quantity = 1_000_000_001),
        ("reference", |moved| moved.reference = "é".repeat(201)),
        ("reference", |moved| moved.reference = "a\nb".into()),
    ];

    for (field, change) in beyond {
        let mut moved = movement("A", pb::MovementKind::Received, 1);
        change(&mut moved);
        let refused = shop.api.record_stock_movement(shop.call(moved)).await;
        assert_eq!(fields(refused), [field]);
    }
    assert_eq!(
        (shop.stock("A").await.on_hand, shop.moved("A").await),
        (0, 0)
    );
}

#[tokio::test]
async fn what_is_asked_for_must_be_a_sku() {
    let shop = Warehouse::open().await;

    for sku in no_skus() {
        let item = shop.call(pb::GetItemRequest { sku: sku.clone() });
        assert_eq!(fields(shop.api.get_item(item).await), ["sku"]);
        let movements = shop.call(pb::ListStockMovementsRequest {
            sku: sku.clone(),
            ..Default::default()
        });
        let refused = shop.api.list_stock_movements(movements).await;
        assert_eq!(fields(refused), ["sku"]);
        let items = shop.call(pb::BatchGetItemsRequest {
            skus: vec!["A".into(), sku],
        });
        assert_eq!(fields(shop.api.batch_get_items(items).await), ["skus[1]"]);
    }
}

#[tokio::test]
async fn of_a_batch_that_holds_no_sku_the_first_are_named_and_all_counted() {
    let shop = Warehouse::open().await;
    let request = shop.call(pb::BatchGetItemsRequest {
        skus: vec!["x".repeat(65); 2_000],
    });

    let refused = shop.api.batch_get_items(request).await.unwrap_err();

    // As it travels: a client takes 16 KiB of headers.
    let headers = refused.into_http::<()>().into_parts().0.headers;
    let length: usize = headers.values().map(|value| value.len() + 64).sum();
    assert!(length < 12 * 1_024, "{length}");
    let details = ErrorDetails::from_status(&Status::from_header_map(&headers).unwrap());
    assert_eq!(details.code, Code::InvalidArgument);
    assert_eq!(details.fields[0].field, "skus[0]");
    assert_eq!(details.metadata["faults"], "2000");
}

#[tokio::test]
async fn a_prefix_and_a_page_have_bounds() {
    let shop = Warehouse::open().await;
    let token = || "A".repeat(2_049);

    for (sku_prefix, allowed) in [
        ("x".repeat(64), true),
        ("x".repeat(65), false),
        ("a\0".to_owned(), false),
        ("a\n".to_owned(), false),
    ] {
        let request = shop.call(pb::ListItemsRequest {
            sku_prefix,
            ..Default::default()
        });
        match shop.api.list_items(request).await {
            Ok(_page) => assert!(allowed),
            refused => {
                assert!(!allowed);
                assert_eq!(fields(refused), ["sku_prefix"]);
            }
        }
    }
    let page = shop.call(pb::ListItemsRequest {
        page_size: -1,
        ..Default::default()
    });
    assert_eq!(fields(shop.api.list_items(page).await), ["page_size"]);
    let page = shop.call(pb::ListItemsRequest {
        page_token: token(),
        ..Default::default()
    });
    let refused = shop.api.list_items(page).await;
    assert_eq!(reason(refused), "PAGE_TOKEN_INVALID");
    shop.stocked("A", 0).await;
    let page = shop.call(pb::ListStockMovementsRequest {
        sku: "A".into(),
        page_token: token(),
        ..Default::default()
    });
    let refused = shop.api.list_stock_movements(page).await;
    assert_eq!(reason(refused), "PAGE_TOKEN_INVALID");
    let page = shop.call(pb::ListStockMovementsRequest {
        sku: "A".into(),
        page_size: -1,
        ..Default::default()
    });
    let refused = shop.api.list_stock_movements(page).await;
    assert_eq!(fields(refused), ["page_size"]);
}

#[tokio::test]
async fn a_reservation_is_asked_for_by_its_id_alone() {
    let shop = Warehouse::open().await;
    let absent = ReservationId::new().to_string();

    for reservation_id in [
        String::new(),
        OrderId::new().to_string(),
        format!("{absent}0"),
        "x".repeat(4_000),
    ] {
        let request = shop.call(pb::GetReservationRequest { reservation_id });
        let refused = shop.api.get_reservation(request).await;
        assert_eq!(fields(refused), ["reservation_id"]);
    }
    let request = shop.call(pb::GetReservationRequest {
        reservation_id: absent,
    });
    let refused = shop.api.get_reservation(request).await;
    assert_eq!(reason(refused), "RESERVATION_NOT_FOUND");
}

fn reserve_one() -> cmd::ReserveStock {
    let line = cmd::ReserveLine {
        sku: "A".into(),
        quantity: 1,
    };
    cmd::ReserveStock {
        reservation_id: ReservationId::new().to_string(),
        order_id: OrderId::new().to_string(),
        lines: vec![line],
        hold_seconds: 86_400,
    }
}

/// What becomes of one command.
async fn deliver<C: Command + prost::Message>(
    shop: &Warehouse,
    handler: &Arc<dyn Handler>,
    body: &C,
) -> Result<(), HandleError> {
    let order = OrderId::new().as_uuid();
    let sent = Outgoing::command(C::SERVICE, <C as Command>::NAME, shop.tenant, body);
    let delivery = Delivery {
        message: sent.correlated(order).message,
        queue: "inventory.commands".to_owned(),
        attempt: 1,
        redelivered: false,
    };
    handler.handle(&[delivery]).await
}

fn poisoned(answer: Result<(), HandleError>, field: &str) {
    match answer {
        Err(HandleError::Poison { reason, detail }) => {
            assert_eq!(reason, "invalid_command");
            assert!(detail.starts_with(field), "{field}: {detail}");
        }
        other => panic!("{field}: {other:?}"),
    }
}

#[tokio::test]
async fn every_field_of_a_command_has_a_bound() {
    type Change = fn(&mut cmd::ReserveStock);
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    let metrics = Metrics::register(&Registry::new("inventory"));
    let handler = subscription(shop.store.clone(), metrics, 16).handler;
    let beyond: [(&str, Change); 12] = [
        ("reservation_id", |it| it.reservation_id = String::new()),
        ("reservation_id", |it| {
            it.reservation_id.clone_from(&it.order_id);
        }),
        ("order_id", |it| it.order_id = "order_1".into()),
        ("lines", |it| it.lines.clear()),
        ("lines", |it| it.lines = vec![it.lines[0].clone(); 2_001]),
        ("lines.sku", |it| it.lines[0].sku = "x".repeat(65)),
        ("lines.sku", |it| it.lines[0].sku = String::new()),
        ("lines.quantity", |it| it.lines[0].quantity = 0),
        ("lines.quantity", |it| it.lines[0].quantity = 1_000_001),
        ("hold_seconds", |it| it.hold_seconds = 0),
        ("hold_seconds", |it| it.hold_seconds = -1),
        ("hold_seconds", |it| it.hold_seconds = 86_401),
    ];

    for (field, change) in beyond {
        let mut command = reserve_one();
        change(&mut command);
        poisoned(deliver(&shop, &handler, &command).await, field);
    }
    for hold_seconds in [0, 86_401] {
        let command = cmd::ExtendReservation {
            reservation_id: ReservationId::new().to_string(),
            order_id: OrderId::new().to_string(),
            hold_seconds,
        };
        poisoned(deliver(&shop, &handler, &command).await, "hold_seconds");
    }
    assert_eq!(shop.stock("A").await.reserved, 0);
    deliver(&shop, &handler, &reserve_one()).await.unwrap();
    assert_eq!(shop.stock("A").await.reserved, 1);
}
