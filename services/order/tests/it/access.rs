//! Who gets in, and what they see.

use tonic::{Code, Status};
use tradepost_proto::order::v1 as pb;
use tradepost_types::{OrderId, TenantId};

use crate::stage::{Client, Stage, gbp, reason, request};

const ANN: &str = "user_ann";
const BOB: &str = "user_bob";

fn customer(stage: &Stage, name: &str) -> Client {
    stage.granted(|grant| {
        grant.subject = name.to_owned();
        grant.customer = true;
    })
}

fn order_of(name: &str) -> pb::PlaceOrderRequest {
    pb::PlaceOrderRequest {
        customer_ref: name.to_owned(),
        ..request()
    }
}

fn refused<T>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.err().expect("it is refused");
    (status.code(), reason(&status))
}

fn denied(why: &str) -> (Code, String) {
    (Code::PermissionDenied, why.to_owned())
}

#[tokio::test]
async fn a_call_without_a_token_is_unauthenticated() {
    let stage = Stage::new().await;
    let order_id = OrderId::new().to_string();

    let answer = stage
        .stranger()
        .get_order(pb::GetOrderRequest { order_id })
        .await;

    let wanted = (Code::Unauthenticated, "TOKEN_MISSING".to_owned());
    assert_eq!(refused(answer), wanted);
}

#[tokio::test]
async fn each_method_needs_its_own_right() {
    let stage = Stage::new().await;
    let order = stage.place(request()).await;
    let order_id = || order.order_id.clone();
    let mut reader = stage.granted(|grant| grant.rights = vec!["orders:read"]);
    let mut nobody = stage.granted(|grant| grant.rights = Vec::new());

    let read = reader
        .get_order(pb::GetOrderRequest {
            order_id: order_id(),
        })
        .await;
    assert!(read.is_ok());
    let placed = reader.place_order(request()).await;
    assert_eq!(refused(placed), denied("RIGHT_MISSING"));
    let cancel = pb::CancelOrderRequest {
        order_id: order_id(),
        ..Default::default()
    };
    assert_eq!(
        refused(reader.cancel_order(cancel).await),
        denied("RIGHT_MISSING")
    );
    let stuck = reader
        .list_stuck_orders(pb::ListStuckOrdersRequest::default())
        .await;
    assert_eq!(refused(stuck), denied("RIGHT_MISSING"));
    let read = nobody
        .get_order(pb::GetOrderRequest {
            order_id: order_id(),
        })
        .await;
    assert_eq!(refused(read), denied("RIGHT_MISSING"));
}

#[tokio::test]
async fn an_agreed_price_needs_a_right_of_its_own() {
    let stage = Stage::new().await;
    let mut clerk = stage.granted(|grant| grant.rights = vec!["orders:place"]);
    let mut agreed = request();
    agreed.lines[0].agreed_unit_price = Some(gbp(1));

    assert_eq!(
        refused(clerk.place_order(agreed.clone()).await),
        denied("RIGHT_MISSING")
    );
    assert!(clerk.place_order(request()).await.is_ok());
    assert!(stage.client.clone().place_order(agreed).await.is_ok());
}

#[tokio::test]
async fn a_customer_orders_in_their_own_name_only() {
    let stage = Stage::new().await;
    let mut ann = customer(&stage, ANN);

    let foreign = ann.place_order(order_of(BOB)).await;
    let own = ann.place_order(order_of(ANN)).await;

    assert_eq!(refused(foreign), denied("CUSTOMER_REF_FOREIGN"));
    assert_eq!(own.unwrap().into_inner().order.unwrap().customer_ref, ANN);
}

#[tokio::test]
async fn a_customer_sees_and_cancels_only_their_own_orders() {
    let stage = Stage::new().await;
    let own = stage.place(order_of(ANN)).await.order_id;
    let foreign = stage.place(order_of(BOB)).await.order_id;
    let mut ann = customer(&stage, ANN);

    for (order_id, seen) in [(own, true), (foreign, false)] {
        let order_id = || order_id.clone();
        let cancel = pb::CancelOrderRequest {
            request_id: OrderId::new().to_string(),
            order_id: order_id(),
            note: String::new(),
        };
        let skip = pb::AbandonStuckOrderRequest {
            request_id: OrderId::new().to_string(),
            order_id: order_id(),
            reason: "mine".to_owned(),
        };
        let timeline = pb::GetOrderTimelineRequest {
            order_id: order_id(),
        };
        let answers = [
            ann.get_order(pb::GetOrderRequest {
                order_id: order_id(),
            })
            .await
            .map(drop),
            ann.get_order_timeline(timeline).await.map(drop),
            ann.watch_order(pb::WatchOrderRequest {
                order_id: order_id(),
            })
            .await
            .map(drop),
            ann.abandon_stuck_order(skip).await.map(drop),
            ann.cancel_order(cancel).await.map(drop),
        ];
        for answer in answers {
            let hidden = matches!(&answer, Err(status) if reason(status) == "ORDER_NOT_FOUND");
            assert_eq!(hidden, !seen, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_customers_list_holds_only_their_own_orders() {
    let stage = Stage::new().await;
    let own = stage.place(order_of(ANN)).await.order_id;
    stage.place(order_of(BOB)).await;
    let mut ann = customer(&stage, ANN);
    let mut list = async |customer_ref: &str| {
        let request = pb::ListOrdersRequest {
            customer_ref: customer_ref.to_owned(),
            ..Default::default()
        };
        let listed = ann.list_orders(request).await.unwrap().into_inner();
        let ids = listed.orders.into_iter().map(|order| order.order_id);
        ids.collect::<Vec<_>>()
    };

    for asked in ["", ANN] {
        assert_eq!(list(asked).await.as_slice(), std::slice::from_ref(&own));
    }
    assert!(list(BOB).await.is_empty());
}

#[tokio::test]
async fn a_foreign_tenants_order_is_not_found_whatever_the_rights() {
    let stage = Stage::new().await;
    let order_id = stage.place(request()).await.order_id;
    let mut foreign = stage.as_tenant(TenantId::new());

    let answer = foreign.get_order(pb::GetOrderRequest { order_id }).await;

    assert_eq!(
        refused(answer),
        (Code::NotFound, "ORDER_NOT_FOUND".to_owned())
    );
}

#[tokio::test]
async fn the_order_service_asks_for_prices_in_its_own_name() {
    let stage = Stage::new().await;

    stage.place(request()).await;

    let header = stage.catalogue.asked_with().expect("a token");
    assert!(header.starts_with("Bearer ey"), "it is a token");
}
