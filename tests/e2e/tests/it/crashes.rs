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
        Service::Metrics | Service::Payment | Service::Shipping | Service::Gateway => setup,
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
