//! Every service dies at every crash point it has, at the first pass of it, the second, and so on
//! until orders get to their ends without it; no order is lost, and all books agree.

use std::cell::Cell;
use std::time::Duration;

use tradepost_e2e::{Death, Service, Setup, Shop, basket, points};
use tradepost_proto::order::v1::{Order, OrderState};
use tradepost_testkit::eventually;

const LONG: Duration = Duration::from_secs(120);
/// More passes than a pair of orders can need; a point that is still passed then is in a loop.
const HITS_MAX: u32 = 200;

#[tokio::test]
async fn order_may_die_anywhere() {
    kill_everywhere(Service::Order).await;
}

#[tokio::test]
async fn inventory_may_die_anywhere() {
    kill_everywhere(Service::Inventory).await;
}

#[tokio::test]
async fn e5_payment_may_die_anywhere() {
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
    for point in own {
        let mut hit = 1;
        while dies_at(&mut shop, service, &point.name, hit).await {
            hit = after(hit);
            assert!(hit < HITS_MAX, "{} is passed without end", point.name);
        }
        assert!(hit > 1, "{service:?} never passed {}", point.name);
    }
    shop.assert_sound().await;
}

/// The pass to die at next: every early one, and later ones ever more rarely, for many of those
/// are pollers' that found nothing to do.
const fn after(hit: u32) -> u32 {
    hit + 1 + hit / 6
}

/// The pollers of the service under the axe look around rarely, so that what they pass does not
/// drown what the orders pass.
fn unhurried(service: Service) -> Setup<'static> {
    let setup = Setup::default();
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
    let round = async {
        let good = buyer.buy(basket(&[("TEA", 2)], "pm_card_visa"));
        let bad = buyer.buy(basket(&[("TEA", 1)], "pm_card_chargeDeclined"));
        let ended = tokio::join!(good, bad);
        over.set(true);
        ended
    };
    let unit = shop.unit_mut(service);
    let reviver = async {
        let died = eventually(&what, LONG, async || {
            let died = unit.has_died();
            (died || over.get()).then_some(died)
        })
        .await;
        // Who has not died yet may do so at any time.
        unit.kill();
        unit.start().await;
        died
    };
    let ((good, bad), died) = tokio::join!(round, reviver);
    assert_state(&good, OrderState::Delivered, &what);
    assert_state(&bad, OrderState::Rejected, &what);
    died
}

fn assert_state(order: &Order, state: OrderState, what: &str) {
    assert_eq!(order.state(), state, "after: {what}; {order:?}");
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
        eventually(&what, LONG, async || unit.has_died().then_some(())).await;
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
    let told = eventually(&what, LONG, async || {
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
