//! Every service that an order passes dies at every crash point it has, at the first pass of it, the
//! second, and so on until orders get to their ends without it; no order is lost or doubled, and all
//! books agree.

use std::cell::Cell;

use sqlx::Executor;
use tradepost_e2e::{Buyer, Death, SOON, Service, Setup, Shop, basket, points};
use tradepost_proto::order::v1::{Order, OrderState};
use tradepost_testkit::eventually;

use crate::carrier::{Carrier, FETCHES, WAIT_MS};
use crate::outages::orders_of;

/// More passes than a round of orders can need; a point that is still passed then is in a loop.
const HITS_MAX: u32 = 400;

#[tokio::test]
async fn order_may_die_anywhere() {
    kill_everywhere(Service::Order).await;
}

#[tokio::test]
async fn inventory_may_die_anywhere() {
    kill_everywhere(Service::Inventory).await;
}

#[tokio::test]
async fn e05_payment_may_die_anywhere() {
    kill_everywhere(Service::Payment).await;
}

#[tokio::test]
async fn shipping_may_die_anywhere() {
    kill_everywhere(Service::Shipping).await;
}

async fn kill_everywhere(service: Service) {
    let mut shop = Shop::with(unhurried(service)).await;
    shop.buyer.stock("TEA", 1_000_000).await;
    let own = points().into_iter().filter(|point| point.is_in(service));
    let mut rounds = 0;
    for point in own {
        let mut hit = 1;
        rounds += 1;
        while dies_at(&mut shop, service, &point.name, hit).await {
            hit = after(hit);
            rounds += 1;
            assert!(hit < HITS_MAX, "{} is passed without end", point.name);
        }
        assert!(hit > 1, "{service:?} never passed {}", point.name);
    }
    // Who was not answered repeated with the same key.
    assert_eq!(orders_of(&shop).await, rounds * ENDS.len());
    shop.assert_sound().await;
}

/// The pass to die at next: every early one, and later ones ever more rarely, for many of those
/// are pollers' that found nothing to do.
const fn after(hit: u32) -> u32 {
    hit + 1 + hit / 6
}

/// The pollers of the service under the axe look around rarely, so that what they pass does not
/// drown what the orders pass; and no parcel is fetched before it is to be.
fn unhurried(service: Service) -> Setup<'static> {
    let setup = Setup::default().with(Service::Shipping, FETCHES, WAIT_MS);
    match service {
        Service::Inventory => setup.with(service, "LIMITS__EXPIRY_POLL_MS", 2_000),
        Service::Order => setup.with(service, "SAGA__DEADLINE_POLL_MS", 1_000),
        Service::Metrics
        | Service::Notification
        | Service::Payment
        | Service::Shipping
        | Service::Gateway => setup,
    }
}

/// Lets a round of orders run while the service dies at that pass of the point, and starts it
/// again. False when the round was over before it came to that.
async fn dies_at(shop: &mut Shop, service: Service, point: &str, hit: u32) -> bool {
    shop.unit_mut(service).stop().await;
    let death = Death {
        point: point.to_owned(),
        hit,
    };
    shop.unit_mut(service).start_doomed(&death);
    let what = format!("{service:?} dies at pass {hit} of {point}, or the round ends");
    let (buyer, over) = (shop.buyer.clone(), Cell::new(false));
    let carrier = Carrier::of(shop).await;
    let round = async {
        let ended = Box::pin(a_round(&buyer, carrier)).await;
        over.set(true);
        ended
    };
    let unit = shop.unit_mut(service);
    let reviver = async {
        let died = eventually(&what, SOON, async || {
            let died = unit.has_died();
            (died || over.get()).then_some(died)
        })
        .await;
        // Who has not died yet may do so at any time.
        unit.kill();
        unit.start().await;
        died
    };
    let (ended, died) = tokio::join!(round, reviver);
    for (order, state) in ended.iter().zip(ENDS) {
        assert_state(order, state, &what);
    }
    died
}

/// How the orders of a round end. Between them they make every call of the provider and of the
/// carrier.
const ENDS: [OrderState; 4] = [
    OrderState::Delivered,
    OrderState::Rejected,
    OrderState::Returned,
    OrderState::Cancelled,
];

/// Orders at once: one arrives, one has a bad card, one comes back and is paid back, and one is
/// cancelled, so that its money is let go and its parcel called off.
pub(crate) async fn a_round(buyer: &Buyer, mut carrier: Carrier) -> [Order; 4] {
    let mut comes_back = basket(&[("TEA", 1)], "pm_card_visa");
    if let Some(address) = &mut comes_back.shipping_address {
        address.region = "SIM-RETURN".to_owned();
    }
    let (good, bad, back, unwanted) = tokio::join!(
        buyer.place(basket(&[("TEA", 2)], "pm_card_visa")),
        buyer.place(basket(&[("TEA", 1)], "pm_card_chargeDeclined")),
        buyer.place(comes_back),
        buyer.place(basket(&[("TEA", 1)], "pm_card_visa")),
    );
    let fetched = async {
        for order in [&good, &back] {
            carrier.carry(&order.order_id, "label_ready").await;
        }
    };
    let cancelled = async {
        let id = &unwanted.order_id;
        buyer
            .until(id, |state| state == OrderState::Confirmed)
            .await;
        buyer.cancel(id).await.unwrap();
        buyer.ended(id).await
    };
    let ((), good, bad, back, unwanted) = tokio::join!(
        fetched,
        buyer.ended(&good.order_id),
        buyer.ended(&bad.order_id),
        buyer.ended(&back.order_id),
        cancelled,
    );
    [good, bad, back, unwanted]
}

fn assert_state(order: &Order, state: OrderState, what: &str) {
    assert_eq!(order.state(), state, "after: {what}; {order:?}");
}

/// Every message that any service writes leaves it twice: the same id, another row.
const TWICE: &str = "
    create function messaging.twice() returns trigger language plpgsql as $$
    begin
        insert into messaging.outbox
            (message_id, tenant_id, exchange, routing_key, mandatory, kind, correlation_id,
             causation_id, subject, sequence, occurred_at, traceparent, body)
        values
            (new.message_id, new.tenant_id, new.exchange, new.routing_key, new.mandatory, new.kind,
             new.correlation_id, new.causation_id, new.subject, new.sequence, new.occurred_at,
             new.traceparent, new.body);
        return null;
    end $$;
    create trigger twice after insert on messaging.outbox
        for each row when (pg_trigger_depth() = 0) execute function messaging.twice()";

#[tokio::test]
async fn every_message_of_every_service_sent_twice_has_one_effect() {
    let setup = Setup::default().with(Service::Shipping, FETCHES, WAIT_MS);
    let shop = Shop::with(setup).await;
    shop.buyer.stock("TEA", 100).await;
    for service in Service::WITH_DATA {
        let mut database = shop.database(service).admin().await;
        database.execute(TWICE).await.unwrap();
    }

    for _ in 0..3 {
        let ended = a_round(&shop.buyer, Carrier::of(&shop).await).await;
        for (order, state) in ended.iter().zip(ENDS) {
            assert_state(order, state, "all was sent twice");
        }
    }

    shop.assert_sound().await;
    for service in [
        Service::Order,
        Service::Inventory,
        Service::Payment,
        Service::Shipping,
    ] {
        // A round is at least three messages of each of them.
        let mut database = shop.database(service).admin().await;
        let rows = "select last_value from messaging.outbox_seq_seq";
        let rows: i64 = sqlx::query_scalar(rows)
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert!(rows >= 2 * 3 * 3, "{service:?} wrote {rows} rows");
    }
}

/// What each order of the round is told, whatever the service dies at: nothing is missed, nothing is
/// told twice.
const TOLD: [&str; 3] = ["order.confirmed", "order.delivered", "order.shipped"];

#[tokio::test]
async fn notification_may_die_wherever_it_tells_of_an_order() {
    let mut shop = Shop::open().await;
    shop.buyer.stock("TEA", 1_000).await;
    let points = points().into_iter().map(|point| point.name);
    let points: Vec<String> = points
        .filter(|name| name.starts_with("notification.feed.") || name == "consumer.before_ack")
        .collect();
    assert_eq!(points.len(), 3, "{points:?}");
    let mut orders = Vec::new();
    for point in points {
        // All that happens to the order may come in one batch: a second pass is not sure to be.
        let death = Death {
            point: point.clone(),
            hit: 1,
        };
        let unit = shop.unit_mut(Service::Notification);
        unit.stop().await;
        unit.start_doomed(&death);
        let order = shop.buyer.buy(basket(&[("TEA", 1)], "pm_card_visa")).await;
        assert_state(&order, OrderState::Delivered, &point);
        orders.push(order.order_id);
        let unit = shop.unit_mut(Service::Notification);
        let what = format!("the death at {point}");
        eventually(&what, SOON, async || unit.has_died().then_some(())).await;
        unit.start().await;
    }
    for order in orders {
        heard_once(&shop, &order).await;
    }
    shop.assert_sound().await;
}

async fn heard_once(shop: &Shop, order: &str) {
    let mut database = shop.database(Service::Notification).admin().await;
    let what = format!("all that is told of {order}");
    let told = eventually(&what, SOON, async || {
        let told: Vec<(String, String)> = sqlx::query_as(
            "select split_part(stream, ':', 1), content ->> 'type' from notifications
             where content -> 'data' ->> 'order_id' = $1 order by 1, 2",
        )
        .bind(order)
        .fetch_all(&mut database)
        .await
        .unwrap();
        (told.len() >= 2 * TOLD.len()).then_some(told)
    })
    .await;
    let wanted = ["group", "user"]
        .iter()
        .flat_map(|whose| TOLD.map(|kind| ((*whose).to_owned(), kind.to_owned())));
    assert_eq!(told, wanted.collect::<Vec<_>>(), "{order}");
}
