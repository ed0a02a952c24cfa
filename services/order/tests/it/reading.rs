//! Reading, listing, watching, and who may see what.

use pb::OrderState as S;
use tonic::Code;
use tradepost_proto::order::v1 as pb;
use tradepost_testkit::assert_tenancy;
use tradepost_types::{OrderId, TenantId};

use crate::stage::{SOON, Stage, of, paid_by, reason, request};

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_order_is_not_there() {
    let stage = Stage::new().await;
    let order = stage.place(request()).await;
    let mut other = stage.as_tenant(TenantId::new());
    let order_id = order.order_id.clone();

    let cancel = pb::CancelOrderRequest {
        request_id: "x".into(),
        order_id: order_id.clone(),
        note: String::new(),
    };
    let get = pb::GetOrderRequest {
        order_id: order_id.clone(),
    };
    let timeline = pb::GetOrderTimelineRequest {
        order_id: order_id.clone(),
    };
    let watch = pb::WatchOrderRequest { order_id };
    let refused = [
        other.get_order(get).await.unwrap_err(),
        other.get_order_timeline(timeline).await.unwrap_err(),
        other.cancel_order(cancel).await.unwrap_err(),
        other.watch_order(watch).await.map(drop).unwrap_err(),
    ];

    for status in refused {
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(reason(&status), "ORDER_NOT_FOUND");
    }
    let list = other
        .list_orders(pb::ListOrdersRequest::default())
        .await
        .unwrap();
    assert!(list.into_inner().orders.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_keeps_tenants_apart() {
    let stage = Stage::new().await;

    assert_tenancy(
        &stage.database,
        &[
            "orders_due",
            "messaging.outbox",
            "messaging.inbox",
            "messaging.retries",
            "messaging.parked",
            "platform.idempotency_keys_created_at",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_and_filtered() {
    let stage = Stage::new().await;
    let mut placed = Vec::new();
    for number in 0..5 {
        let mut request = of("SILENT");
        request.customer_ref = format!("customer-{}", number % 2);
        placed.push(stage.place(request).await.order_id);
    }
    placed.reverse();
    let mut client = stage.client.clone();

    let mut seen = Vec::new();
    let mut request = pb::ListOrdersRequest {
        page_size: 2,
        ..Default::default()
    };
    loop {
        let page = client
            .list_orders(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(page.orders.len() <= 2);
        assert!(page.orders.iter().all(|order| order.lines.is_empty()));
        seen.extend(page.orders.into_iter().map(|order| order.order_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(seen, placed);

    let mine = pb::ListOrdersRequest {
        customer_ref: "customer-1".into(),
        states: vec![S::Reserving.into()],
        ..Default::default()
    };
    assert_eq!(
        client
            .list_orders(mine)
            .await
            .unwrap()
            .into_inner()
            .orders
            .len(),
        2
    );
    let none = pb::ListOrdersRequest {
        states: vec![S::Delivered.into()],
        ..Default::default()
    };
    assert!(
        client
            .list_orders(none)
            .await
            .unwrap()
            .into_inner()
            .orders
            .is_empty()
    );
    let third = stage.get(&placed[2]).await.create_time;
    let until = pb::ListOrdersRequest {
        create_time_until: third,
        ..Default::default()
    };
    assert_eq!(
        client
            .list_orders(until)
            .await
            .unwrap()
            .into_inner()
            .orders
            .len(),
        2
    );
    let from = pb::ListOrdersRequest {
        create_time_from: third,
        ..Default::default()
    };
    assert_eq!(
        client
            .list_orders(from)
            .await
            .unwrap()
            .into_inner()
            .orders
            .len(),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_belongs_to_its_filter() {
    let stage = Stage::new().await;
    for _ in 0..2 {
        stage.place(of("SILENT")).await;
    }
    let mut client = stage.client.clone();
    let first = pb::ListOrdersRequest {
        page_size: 1,
        ..Default::default()
    };
    let token = client
        .list_orders(first)
        .await
        .unwrap()
        .into_inner()
        .next_page_token;

    let other = pb::ListOrdersRequest {
        page_size: 1,
        page_token: token,
        customer_ref: "customer-1".into(),
        ..Default::default()
    };
    let refused = client.list_orders(other).await.unwrap_err();
    let negative = pb::ListOrdersRequest {
        page_size: -1,
        ..Default::default()
    };
    let states = pb::ListOrdersRequest {
        states: vec![99],
        ..Default::default()
    };

    assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    for request in [negative, states] {
        let refused = client.list_orders(request).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_FIELD");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_the_order_now_and_its_end() {
    let stage = Stage::new().await;
    let order = stage.place(paid_by("pm_decline")).await;
    let order_id = order.order_id.clone();

    let watch = pb::WatchOrderRequest { order_id };
    let mut stream = stage
        .client
        .clone()
        .watch_order(watch)
        .await
        .unwrap()
        .into_inner();
    let mut versions = Vec::new();
    let mut last = None;
    let watched = async {
        while let Some(answer) = stream.message().await.unwrap() {
            let order = answer.order.unwrap();
            versions.push(order.version);
            last = Some(order);
        }
    };
    tokio::time::timeout(SOON, watched).await.unwrap();

    assert_eq!(last.unwrap().state(), S::Rejected);
    assert!(
        versions.is_sorted_by(|one, next| one < next),
        "{versions:?}"
    );
}

/// The poll is the net for what the watcher's own process does not commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_what_was_committed_behind_the_back_of_its_process() {
    let stage = Stage::new().await;
    let order = stage.place(paid_by("pm_silent")).await;
    let order_id = order.order_id.clone();
    stage.until(&order_id, S::Authorizing).await;
    let watch = pb::WatchOrderRequest { order_id };
    let mut stream = stage
        .client
        .clone()
        .watch_order(watch)
        .await
        .unwrap()
        .into_inner();
    let first = stream.message().await.unwrap().unwrap().order.unwrap();

    let mut admin = stage.admin().await;
    sqlx::query("update orders set version = version + 1, state = 'needs_attention'")
        .execute(&mut admin)
        .await
        .unwrap();

    let next = tokio::time::timeout(SOON, stream.message()).await.unwrap();
    let next = next.unwrap().unwrap().order.unwrap();
    assert_eq!(next.version, first.version + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_limited() {
    let stage = Stage::with(|config| config.limits.watchers_max = 1).await;
    let order = stage.place(of("SILENT")).await;
    let watch = pb::WatchOrderRequest {
        order_id: order.order_id,
    };

    let _first = stage
        .client
        .clone()
        .watch_order(watch.clone())
        .await
        .unwrap();
    let refused = stage
        .client
        .clone()
        .watch_order(watch)
        .await
        .map(drop)
        .unwrap_err();

    assert_eq!(reason(&refused), "TOO_MANY_WATCHERS");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeline_says_what_the_order_waits_for() {
    let stage = Stage::new().await;
    let order = stage
        .placed_until(paid_by("pm_silent"), S::Authorizing)
        .await;

    let waiting = stage.timeline(&order.order_id).await.waiting.unwrap();

    assert_eq!(
        waiting.awaited,
        "the payment service's answer to payment.authorize"
    );
    assert!(waiting.at_deadline.contains("sent again"));
    assert!(waiting.deadline.is_some());
    assert_eq!(waiting.attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_unknown_ids_are_told_apart() {
    let stage = Stage::new().await;
    let mut client = stage.client.clone();
    let get = |order_id: String| pb::GetOrderRequest { order_id };

    let malformed = client.get_order(get("order_x".into())).await.unwrap_err();
    let unknown = client
        .get_order(get(OrderId::new().to_string()))
        .await
        .unwrap_err();

    assert_eq!(malformed.code(), Code::InvalidArgument);
    assert_eq!(unknown.code(), Code::NotFound);
}
