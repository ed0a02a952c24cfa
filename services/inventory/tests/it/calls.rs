//! The gRPC calls: what they store, what they refuse, and that a repetition changes nothing.

use tradepost_inventory::domain::Action;
use tradepost_proto::inventory::v1 as pb;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryService;
use tradepost_types::{ReservationId, TenantId};

use crate::support::{Warehouse, call_as, fields, movement, new_item, reason, reserve};

#[tokio::test]
async fn an_item_is_created_then_replaced_and_a_repetition_answers_as_before() {
    let shop = Warehouse::open().await;
    let first = new_item("85123a");
    let second = pb::PutItemRequest {
        name: "Another".into(),
        ..new_item("85123a")
    };

    let created = shop
        .api
        .put_item(shop.call(first.clone()))
        .await
        .unwrap()
        .into_inner();
    let replaced = shop
        .api
        .put_item(shop.call(second))
        .await
        .unwrap()
        .into_inner();
    let repeated = shop
        .api
        .put_item(shop.call(first))
        .await
        .unwrap()
        .into_inner();

    assert_eq!(
        (created.created, replaced.created, repeated.created),
        (true, false, true)
    );
    assert_eq!(repeated.item.unwrap().name, "Another", "as it is now");
}

#[tokio::test]
async fn a_request_id_used_for_another_request_is_refused() {
    let shop = Warehouse::open().await;
    let item = new_item("A");
    let other = pb::PutItemRequest {
        weight_grams: 1,
        ..item.clone()
    };

    shop.api.put_item(shop.call(item)).await.unwrap();

    assert_eq!(
        reason(shop.api.put_item(shop.call(other)).await),
        "REQUEST_ID_REUSED"
    );
}

#[tokio::test]
async fn the_currency_of_an_item_cannot_change() {
    let shop = Warehouse::open().await;
    let mut euro = new_item("A");
    euro.price.as_mut().unwrap().currency_code = "EUR".into();

    shop.stocked("A", 0).await;

    assert_eq!(
        reason(shop.api.put_item(shop.call(euro)).await),
        "CURRENCY_CHANGED"
    );
}

#[tokio::test]
async fn e11_an_operator_cannot_take_away_what_is_reserved() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    shop.carry_out(ReservationId::new(), reserve(&[("A", 7)]))
        .await;
    let lost = |units| movement("A", pb::MovementKind::WrittenOff, units);

    let too_much = shop.api.record_stock_movement(shop.call(lost(4))).await;
    let fits = shop
        .api
        .record_stock_movement(shop.call(lost(3)))
        .await
        .unwrap()
        .into_inner();

    assert_eq!(reason(too_much), "STOCK_BELOW_RESERVED");
    assert_eq!(fits.stock.unwrap().available, 0);
    assert_eq!(
        (fits.movement.unwrap().delta, shop.moved("A").await),
        (-3, 7)
    );
}

#[tokio::test]
async fn a_repeated_movement_moves_once() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 0).await;
    let received = movement("A", pb::MovementKind::Received, 5);

    let first = shop
        .api
        .record_stock_movement(shop.call(received.clone()))
        .await
        .unwrap();
    let again = shop
        .api
        .record_stock_movement(shop.call(received))
        .await
        .unwrap();

    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(shop.stock("A").await.on_hand, 5);
}

#[tokio::test]
async fn every_bad_field_of_a_request_is_named_at_once() {
    let shop = Warehouse::open().await;
    let item = pb::PutItemRequest {
        request_id: String::new(),
        sku: "x".repeat(65),
        name: "n".repeat(201),
        price: None,
        weight_grams: 1_000_001,
        active: true,
    };
    let moved = pb::RecordStockMovementRequest {
        reference: "r".repeat(201),
        ..movement("", pb::MovementKind::Sold, 1_000_000_001)
    };

    let put = fields(shop.api.put_item(shop.call(item)).await);
    let recorded = fields(shop.api.record_stock_movement(shop.call(moved)).await);

    assert_eq!(put, ["request_id", "sku", "name", "price", "weight_grams"]);
    assert_eq!(recorded, ["sku", "reference", "quantity", "kind"]);
}

#[tokio::test]
async fn amounts_and_signs_beyond_their_bounds_are_refused() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 1).await;
    for minor_units in [-1, 1_000_000_000_001] {
        let mut item = new_item("B");
        item.price.as_mut().unwrap().minor_units = minor_units;
        assert_eq!(
            fields(shop.api.put_item(shop.call(item)).await),
            ["price.minor_units"]
        );
    }
    for (kind, quantity) in [
        (pb::MovementKind::Received, 0),
        (pb::MovementKind::Received, -1),
        (pb::MovementKind::WrittenOff, -1),
        (pb::MovementKind::Adjusted, i64::MIN),
    ] {
        let moved = movement("A", kind, quantity);
        let answer = shop.api.record_stock_movement(shop.call(moved)).await;
        assert_eq!(fields(answer)[0], "quantity", "{kind:?} {quantity}");
    }
    let overflow = movement("A", pb::MovementKind::Received, 1_000_000_000);
    let answer = shop.api.record_stock_movement(shop.call(overflow)).await;
    assert_eq!(reason(answer), "STOCK_OVERFLOW");
    assert_eq!(shop.stock("A").await.on_hand, 1);
}

#[tokio::test]
async fn a_batch_tells_which_skus_are_unknown() {
    let shop = Warehouse::open().await;
    shop.stocked("b", 0).await;
    shop.stocked("B", 0).await;
    let ask = |skus: &[&str]| pb::BatchGetItemsRequest {
        skus: skus.iter().map(|&sku| sku.to_owned()).collect(),
    };

    let known = shop
        .api
        .batch_get_items(shop.call(ask(&["b", "Z", "B", "b"])))
        .await
        .unwrap();
    let none = shop.api.batch_get_items(shop.call(ask(&[]))).await;
    let many = pb::BatchGetItemsRequest {
        skus: vec!["A".to_owned(); 2_001],
    };
    let many = shop.api.batch_get_items(shop.call(many)).await;

    let known = known.into_inner();
    let skus: Vec<_> = known.items.iter().map(|item| item.sku.as_str()).collect();
    assert_eq!(
        (skus, known.unknown_skus),
        (vec!["B", "b"], vec!["Z".to_owned()])
    );
    assert_eq!(
        (fields(none), fields(many)),
        (vec!["skus".into()], vec!["skus".into()])
    );
}

#[tokio::test]
async fn lists_go_by_pages_to_the_end() {
    let shop = Warehouse::open().await;
    for sku in ["A1", "A2", "A3", "B1"] {
        shop.stocked(sku, 1).await;
    }
    let mut request = pb::ListItemsRequest {
        page_size: 2,
        sku_prefix: "A".into(),
        ..Default::default()
    };

    let first = shop
        .api
        .list_items(shop.call(request.clone()))
        .await
        .unwrap()
        .into_inner();
    request.page_token.clone_from(&first.next_page_token);
    let last = shop
        .api
        .list_items(shop.call(request.clone()))
        .await
        .unwrap()
        .into_inner();
    request.sku_prefix = "B".into();
    let foreign_token = shop.api.list_items(shop.call(request)).await;

    let skus: Vec<_> = first
        .items
        .iter()
        .chain(&last.items)
        .map(|item| &item.sku)
        .collect();
    assert_eq!(skus, ["A1", "A2", "A3"]);
    assert!(!first.next_page_token.is_empty() && last.next_page_token.is_empty());
    assert_eq!(reason(foreign_token), "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn a_prefix_is_taken_by_its_characters_and_the_order_is_that_of_the_bytes() {
    let shop = Warehouse::open().await;
    let last = "\u{10ffff}".repeat(16);
    for sku in ["a", "B", "a%", "a_", "ab", "aé", "\u{10ffff}", "b", &last] {
        shop.stocked(sku, 0).await;
    }

    let all: [&str; 9] = ["B", "a", "a%", "a_", "ab", "aé", "b", "\u{10ffff}", &last];
    for (prefix, expected) in [
        ("", &all[..]),
        ("a", &["a", "a%", "a_", "ab", "aé"]),
        ("a_", &["a_"]),
        ("aé", &["aé"]),
        ("A", &[]),
        ("\u{10ffff}", &["\u{10ffff}", &last]),
        (&last, &[&last]),
    ] {
        let request = pb::ListItemsRequest {
            sku_prefix: prefix.to_owned(),
            ..Default::default()
        };
        let listed = shop.api.list_items(shop.call(request)).await.unwrap();
        let items = listed.into_inner().items;
        let skus: Vec<&str> = items.iter().map(|item| item.sku.as_str()).collect();
        assert_eq!(skus, expected, "{prefix:?}");
    }
}

#[tokio::test]
async fn movements_are_listed_newest_first_with_what_caused_them() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    let id = ReservationId::new();
    shop.carry_out(id, reserve(&[("A", 4)])).await;
    shop.carry_out(id, Action::Commit).await;
    let request = pb::ListStockMovementsRequest {
        sku: "A".into(),
        ..Default::default()
    };

    let listed = shop
        .api
        .list_stock_movements(shop.call(request))
        .await
        .unwrap()
        .into_inner();

    let rows = listed
        .movements
        .iter()
        .map(|each| (each.delta, each.on_hand_after));
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows, [(-4, 6), (10, 10)]);
    assert_eq!(listed.movements[0].reference, id.to_string());
}

#[tokio::test]
async fn a_foreign_tenants_things_are_not_found() {
    let shop = Warehouse::open().await;
    shop.stocked("A", 10).await;
    let id = ReservationId::new();
    shop.carry_out(id, reserve(&[("A", 1)])).await;
    let stranger = TenantId::new();
    let reservation_id = id.to_string();

    let own = pb::GetReservationRequest {
        reservation_id: reservation_id.clone(),
    };
    let own = shop
        .api
        .get_reservation(shop.call(own))
        .await
        .unwrap()
        .into_inner();
    let item = shop
        .api
        .get_item(call_as(stranger, pb::GetItemRequest { sku: "A".into() }))
        .await;
    let request = pb::GetReservationRequest { reservation_id };
    let reservation = shop.api.get_reservation(call_as(stranger, request)).await;
    let moved = movement("A", pb::MovementKind::WrittenOff, 1);
    let moved = shop
        .api
        .record_stock_movement(call_as(stranger, moved))
        .await;

    assert_eq!(own.reservation.unwrap().state(), pb::ReservationState::Held);
    assert_eq!(reason(item), "ITEM_NOT_FOUND");
    assert_eq!(reason(reservation), "RESERVATION_NOT_FOUND");
    assert_eq!(reason(moved), "ITEM_NOT_FOUND");
}
