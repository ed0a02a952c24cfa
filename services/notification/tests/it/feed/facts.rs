//! Each fact is told to whom it concerns, once, whatever comes on the way.

use serde_json::{Value, json};
use tradepost_messaging::Outgoing;
use tradepost_notification::domain::Locale;
use tradepost_notifications::content::Content;
use tradepost_proto::order::event::v1 as fact;
use tradepost_types::{OrderId, RefundId, TenantId};

use super::stage::{
    ADA, Line, STAFF, Stage, count, eur, lines, of_user, stored, told, until_parked,
};

const KINDS: [&str; 8] = [
    "confirmed",
    "rejected",
    "cancelled",
    "shipped",
    "delivered",
    "returned",
    "refunded",
    "needs_attention",
];

fn of_kind<'a>(told: &'a [(i64, Content)], kind: &str) -> &'a Content {
    let (_, content) = told.iter().find(|(_, told)| told.kind == kind).unwrap();
    content
}

/// A fact of each kind, each of another order.
fn one_of_each(stage: &Stage) -> Vec<Outgoing> {
    let order_id = || OrderId::new().to_string();
    let customer_ref = || ADA.to_owned();
    let orders = &stage.orders;
    vec![
        orders.fact(&fact::OrderPlaced {
            order_id: order_id(),
            customer_ref: customer_ref(),
            total: eur(1),
            ..Default::default()
        }),
        orders.confirmed(OrderId::new(), ADA),
        orders.fact(&fact::OrderRejected {
            order_id: order_id(),
            customer_ref: customer_ref(),
            reason: "INSUFFICIENT_FUNDS".into(),
            duration_ms: 1,
        }),
        orders.fact(&fact::OrderCancelled {
            order_id: order_id(),
            customer_ref: customer_ref(),
            duration_ms: 1,
        }),
        orders.shipped(OrderId::new(), ADA),
        orders.delivered(OrderId::new(), ADA),
        orders.fact(&fact::OrderReturned {
            order_id: order_id(),
            customer_ref: customer_ref(),
            total: eur(5),
            duration_ms: 1,
        }),
        orders.refunded(OrderId::new(), RefundId::new()),
        orders.stuck(OrderId::new(), 4),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_told_to_the_staff_and_to_the_customer_unless_it_is_stuck() {
    let stage = Stage::open().await;

    stage.orders.send(&one_of_each(&stage)).await;

    stage.until_told(STAFF, &lines(KINDS)).await;
    let to_ada: Vec<Line> = lines(KINDS).into_iter().take(7).collect();
    stage.until_told(&of_user(ADA), &to_ada).await;
    assert_eq!(count(&stage.database, "notifications").await, 15);
    assert_eq!(count(&stage.database, "messaging.parked").await, 0);
    // What is announced is what is stored.
    for (stream, seen) in [(of_user(ADA), "user"), (STAFF.to_owned(), STAFF)] {
        let stored = stored(&stage.database, stage.orders.tenant, &stream).await;
        let announced = stage.announced(seen);
        assert_eq!(announced.len(), stored.len());
        for (announced, (seq, stored)) in announced.iter().zip(&stored) {
            assert_eq!(announced.seq, seq.unsigned_abs());
            assert_eq!(announced.title, stored.title);
            assert_eq!(announced.message, stored.message);
            assert_eq!(announced.data.get(), stored.data.get());
            assert!(announced.id.starts_with("ntf_"), "{}", announced.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_are_told_the_order_and_its_amount_and_only_staff_a_reason() {
    let stage = Stage::open().await;
    stage.orders.send(&one_of_each(&stage)).await;
    stage.until_told(STAFF, &lines(KINDS)).await;
    let data = async |stream: &str, kind: &str| {
        let told = stored(&stage.database, stage.orders.tenant, stream).await;
        let data: Value = serde_json::from_str(of_kind(&told, kind).data.get()).unwrap();
        assert!(data["order_id"].as_str().unwrap().starts_with("order_"));
        assert!(data["occurred_time"].as_str().unwrap().ends_with('Z'));
        data
    };

    let confirmed = data(&of_user(ADA), "order.confirmed").await;
    let rejected = [
        data(&of_user(ADA), "order.rejected").await,
        data(STAFF, "order.rejected").await,
    ];
    let stuck = data(STAFF, "order.needs_attention").await;
    let refunded = data(&of_user(ADA), "order.refunded").await;

    let total = json!({"currency_code": "EUR", "minor_units": 123_450});
    assert_eq!(confirmed["total"], total);
    assert_eq!(refunded["amount"]["minor_units"], 250);
    assert!(
        refunded["refund_id"]
            .as_str()
            .unwrap()
            .starts_with("refund_")
    );
    assert_eq!(
        rejected.map(|data| data["reason"].clone()),
        [Value::Null, "INSUFFICIENT_FUNDS".into()]
    );
    assert_eq!(stuck["step"], "capture_payment");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_card_no_address_and_no_customer_is_in_what_is_told() {
    let stage = Stage::open().await;
    let mut facts = one_of_each(&stage);
    facts.push(stage.orders.fact(&fact::OrderRejected {
        order_id: OrderId::new().to_string(),
        customer_ref: ADA.into(),
        reason: "card 4242 4242 4242 4242".into(),
        duration_ms: 1,
    }));

    stage.orders.send(&facts).await;

    let mut wanted = lines(KINDS);
    wanted.push((9, "order.rejected".to_owned()));
    stage.until_told(STAFF, &wanted).await;
    for table in [
        "notifications where content::text ~ '4242|High Street|example.com'",
        "groups where display_name <> 'staff'",
    ] {
        assert_eq!(count(&stage.database, table).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_in_the_language_that_is_configured() {
    let stage = Stage::with(1, Locale::De).await;

    let confirmed = stage.orders.confirmed(OrderId::new(), ADA);
    stage.orders.send(&[confirmed]).await;

    stage.until_told(STAFF, &lines(["confirmed"])).await;
    let stream = of_user(ADA);
    let (_, told) = stored(&stage.database, stage.orders.tenant, &stream)
        .await
        .remove(0);
    assert_eq!(told.title, "Ihre Bestellung ist bestätigt");
    assert!(
        told.message.contains("1.234,50\u{a0}EUR"),
        "{}",
        told.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_that_come_twice_under_other_ids_and_in_any_order_are_told_once() {
    let stage = Stage::open().await;
    let order = OrderId::new();
    let mut backwards = stage.orders.way(order);
    backwards.reverse();
    stage.orders.send(&backwards).await;

    // The same messages again, the same facts in other messages, and both in one batch.
    stage.orders.send(&backwards).await;
    stage.orders.send(&stage.orders.way(order)).await;
    let twice = [stage.orders.way(order), stage.orders.way(order)].concat();
    stage.orders.send(&twice).await;
    let last = stage.orders.confirmed(OrderId::new(), ADA);
    stage.orders.send(&[last]).await;

    let wanted = lines(["delivered", "shipped", "confirmed", "confirmed"]);
    stage.until_told(&of_user(ADA), &wanted).await;
    stage.until_told(STAFF, &wanted).await;
    assert_eq!(stage.announced("user").len(), 4);
    assert_eq!(count(&stage.database, "told_orders").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_stuck_again_is_told_again_and_each_time_once() {
    let (stage, order) = (Stage::open().await, OrderId::new());

    let stuck = |version| stage.orders.stuck(order, version);
    stage.orders.send(&[stuck(4), stuck(4), stuck(9)]).await;
    stage.orders.send(&[stuck(9), stuck(4)]).await;
    let last = stage.orders.confirmed(order, ADA);
    stage.orders.send(&[last]).await;

    let wanted = lines(["needs_attention", "needs_attention", "confirmed"]);
    stage.until_told(STAFF, &wanted).await;
    stage.until_told(&of_user(ADA), &lines(["confirmed"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refund_of_an_order_is_told_once_whatever_message_brings_it() {
    let (stage, order) = (Stage::open().await, OrderId::new());
    let (one, other) = (RefundId::new(), RefundId::new());

    let refunded = |refund| stage.orders.refunded(order, refund);
    stage.orders.send(&[refunded(one), refunded(one)]).await;
    stage.orders.send(&[refunded(other), refunded(one)]).await;
    let last = stage.orders.confirmed(order, ADA);
    stage.orders.send(&[last]).await;

    let wanted = lines(["refunded", "refunded", "confirmed"]);
    stage.until_told(STAFF, &wanted).await;
    stage.until_told(&of_user(ADA), &wanted).await;
    let told = stored(&stage.database, stage.orders.tenant, &of_user(ADA)).await;
    let refunds: Vec<Value> = told[..2]
        .iter()
        .map(|(_, told)| serde_json::from_str::<Value>(told.data.get()).unwrap())
        .map(|data| data["refund_id"].clone())
        .collect();
    assert_eq!(refunds, [json!(one.to_string()), json!(other.to_string())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_parked_and_its_neighbours_are_told_once() {
    let (stage, order) = (Stage::open().await, OrderId::new());
    let orders = &stage.orders;
    let broken = [
        orders.fact(&fact::OrderConfirmed {
            order_id: order.to_string(),
            customer_ref: ADA.into(),
            ..Default::default()
        }),
        orders.fact(&fact::OrderShipped::default()),
        orders.fact(&fact::OrderDelivered {
            order_id: order.to_string(),
            ..Default::default()
        }),
        orders.fact(&fact::OrderReturned {
            order_id: order.to_string(),
            customer_ref: ADA.into(),
            total: eur(-1),
            duration_ms: 1,
        }),
    ];
    let mut facts = orders.way(order);
    for (place, broken) in broken.into_iter().enumerate() {
        facts.insert(place * 2 % facts.len(), broken);
    }

    orders.send(&facts).await;

    until_parked(&stage.database, 4).await;
    let wanted = lines(["confirmed", "shipped", "delivered"]);
    stage.until_told(&of_user(ADA), &wanted).await;
    stage.until_told(STAFF, &wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_hear_the_same_facts_at_once_tell_each_once_and_leave_no_gap() {
    const ORDERS: usize = 40;
    let stage = Stage::with(2, Locale::En).await;
    let orders: Vec<OrderId> = (0..ORDERS).map(|_| OrderId::new()).collect();
    let ways = |orders: &[OrderId]| -> Vec<Outgoing> {
        orders
            .iter()
            .flat_map(|order| stage.orders.way(*order))
            .collect()
    };
    let mut backwards = ways(&orders);
    backwards.reverse();

    // Each round has messages of its own.
    let (first, last) = (ways(&orders), ways(&orders));
    tokio::join!(
        stage.orders.send(&first),
        stage.orders.send(&backwards),
        stage.orders.send(&last),
    );

    let drained = async || {
        let inbox = count(&stage.database, "messaging.inbox").await;
        (inbox == 9 * ORDERS as i64).then_some(())
    };
    tradepost_testkit::eventually("all are handled", super::stage::SOON, drained).await;
    for stream in [of_user(ADA), STAFF.to_owned()] {
        let told = told(&stage.database, stage.orders.tenant, &stream).await;
        let places: Vec<i64> = told.iter().map(|(seq, _)| *seq).collect();
        let wanted: Vec<i64> = (1..=3 * ORDERS as i64).collect();
        assert_eq!(places, wanted);
        for kind in ["order.confirmed", "order.shipped", "order.delivered"] {
            let of_kind = told.iter().filter(|(_, told)| told == kind).count();
            assert_eq!(of_kind, ORDERS, "{kind}");
        }
    }
    assert_eq!(count(&stage.database, "messaging.parked").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_and_tenants_are_told_only_of_what_is_theirs() {
    let mut stage = Stage::open().await;
    let (one, other) = (stage.orders.tenant, TenantId::new());
    let bob = stage.orders.confirmed(OrderId::new(), "bob");
    let ada = stage.orders.confirmed(OrderId::new(), ADA);
    stage.orders.send(&[bob, ada]).await;
    stage.orders.tenant = other;
    let namesake = stage.orders.shipped(OrderId::new(), ADA);
    stage.orders.send(&[namesake]).await;

    stage.until_told(STAFF, &lines(["shipped"])).await;
    stage.until_told(&of_user(ADA), &lines(["shipped"])).await;
    let told = async |stream: &str| told(&stage.database, one, stream).await;
    assert_eq!(told(&of_user("bob")).await, lines(["confirmed"]));
    assert_eq!(told(&of_user(ADA)).await, lines(["confirmed"]));
    assert_eq!(told(STAFF).await, lines(["confirmed", "confirmed"]));
}
