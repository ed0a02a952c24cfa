//! What is around the services fails under load, and comes back.

use std::cell::Cell;

use futures::future::join_all;
use futures::join;
use tradepost_e2e::{Buyer, Cluster, RestBuyer, Service, Setup, Shop, basket};
use tradepost_proto::order::v1::{Order, OrderState};
use tradepost_testkit::{private_broker, private_postgres};

/// Buyers at once, each with one order after the other.
const BUYERS: usize = 6;
/// Those who come over the gateway besides.
const BUYERS_ONLINE: usize = 3;
/// Placed one after the other while the broker is away.
const ORDERS_MEANWHILE: usize = 12;

#[tokio::test]
async fn e16_a_broker_that_is_killed_under_load_loses_and_doubles_nothing() {
    let broker = private_broker().await;
    let setup = Setup {
        broker: Some(broker.url()),
        ..Setup::default()
    };
    let shop = Shop::with(setup).await;
    shop.buyer.stock("TEA", 100_000).await;
    // A queue that was just declared may not be on the disk yet, and a lost queue is no fault of
    // ours.
    let flush = "[dets:sync(T) || T <- dets:all()].";
    broker.ctl(&["eval", flush]).await;
    let over = Cell::new(false);

    let outage = async {
        broker.kill().await;
        let mut accepted = Vec::new();
        for _ in 0..ORDERS_MEANWHILE {
            let tea = basket(&[("TEA", 1)], "pm_card_visa");
            accepted.push(shop.buyer.place(tea).await.order_id);
        }
        // Taken while nothing can be sent: each waits with its first command.
        for id in &accepted {
            let order = shop.buyer.get(id).await;
            assert_eq!(order.state(), OrderState::Reserving, "{id}");
        }
        let unsent = unsent_of(&shop, &accepted).await;
        assert_eq!(unsent, ORDERS_MEANWHILE, "what they ask for is kept");
        broker.start().await;
        let decided = accepted.iter().map(|id| shop.buyer.ended(id));
        let decided = join_all(decided).await;
        over.set(true);
        decided
    };
    let (orders, meanwhile) = join!(buy_until(&shop.buyer, &over), outage);

    assert_eq!(meanwhile.len(), ORDERS_MEANWHILE);
    assert_delivered(&meanwhile);
    assert_delivered(&orders);
    shop.assert_sound().await;
}

/// How many of the orders have their first command still in the outbox.
async fn unsent_of(shop: &Shop, orders: &[String]) -> usize {
    let mut database = shop.database(Service::Order).admin().await;
    let unsent = sqlx::query_scalar::<_, i64>(
        "select count(distinct subject) from messaging.outbox
         where routing_key = 'inventory.reserve' and subject = any($1)",
    );
    let unsent = unsent.bind(orders).fetch_one(&mut database).await;
    usize::try_from(unsent.unwrap()).unwrap()
}

#[tokio::test]
async fn e17_a_database_that_crashes_under_load_loses_and_doubles_nothing() {
    let postgres = private_postgres().await;
    let setup = Setup {
        cluster: Cluster::Private(&postgres),
        ..Setup::default()
    };
    let shop = Shop::with(setup).await;
    shop.buyer.stock("TEA", 100_000).await;
    let over = Cell::new(false);

    let outage = async {
        for _ in 0..2 {
            shop.buyer.buy(basket(&[("TEA", 1)], "pm_card_visa")).await;
            postgres.restart_immediate().await;
        }
        over.set(true);
    };
    let (orders, ()) = join!(buy_until(&shop.buyer, &over), outage);

    assert_delivered(&orders);
    // Whoever was not told whether the commit took place repeated with the same key.
    assert_eq!(orders_of(&shop).await, orders.len() + 2);
    shop.assert_sound().await;
}

#[tokio::test]
async fn every_service_is_told_to_stop_under_load_and_loses_nothing() {
    rolling_restart(|unit| Box::pin(unit.stop())).await;
}

#[tokio::test]
async fn every_service_is_killed_under_load_and_loses_nothing() {
    rolling_restart(|unit| {
        unit.kill();
        Box::pin(std::future::ready(()))
    })
    .await;
}

async fn rolling_restart(
    end: impl Fn(&mut tradepost_e2e::Unit) -> futures::future::LocalBoxFuture<'_, ()>,
) {
    let mut shop = Shop::open().await;
    let online = RestBuyer::new(shop.open_account().await);
    shop.buyer.stock("TEA", 100_000).await;
    let (buyer, over) = (shop.buyer.clone(), Cell::new(false));

    let restarts = async {
        for service in Service::ALL {
            buyer.buy(basket(&[("TEA", 1)], "pm_card_visa")).await;
            let unit = shop.unit_mut(service);
            end(unit).await;
            unit.start().await;
            online.buy("TEA").await;
        }
        over.set(true);
    };
    let (orders, bought, ()) = join!(
        buy_until(&buyer, &over),
        buy_online_until(&online, &over),
        restarts
    );

    assert_delivered(&orders);
    for (id, state) in &bought {
        assert_eq!(state, "DELIVERED", "{id}");
    }
    assert!(bought.len() >= BUYERS_ONLINE, "{bought:?} is no load");
    // Every key is one order, however often it was repeated.
    let placed = orders.len() + bought.len() + 2 * Service::ALL.len();
    assert_eq!(orders_of(&shop).await, placed);
    shop.assert_sound().await;
}

/// How many orders there are in all.
pub(crate) async fn orders_of(shop: &Shop) -> usize {
    let mut database = shop.database(Service::Order).admin().await;
    let count = sqlx::query_scalar::<_, i64>("select count(*) from orders");
    let count = count.fetch_one(&mut database).await.unwrap();
    usize::try_from(count).unwrap()
}

/// Buys through the gateway until the trouble is over: every order's id and end.
async fn buy_online_until(online: &RestBuyer, over: &Cell<bool>) -> Vec<(String, String)> {
    let one_by_one = || async {
        let mut bought = Vec::new();
        while !over.get() {
            bought.push(online.buy("TEA").await);
        }
        bought
    };
    join_all((0..BUYERS_ONLINE).map(|_| one_by_one()))
        .await
        .concat()
}

/// Buys until the trouble is over, and returns how every order ended.
async fn buy_until(buyer: &Buyer, over: &Cell<bool>) -> Vec<Order> {
    let one_by_one = || async {
        let mut orders = Vec::new();
        while !over.get() {
            orders.push(buyer.buy(basket(&[("TEA", 1)], "pm_card_visa")).await);
        }
        orders
    };
    join_all((0..BUYERS).map(|_| one_by_one())).await.concat()
}

fn assert_delivered(orders: &[Order]) {
    assert!(
        orders.len() >= BUYERS,
        "{} orders are no load",
        orders.len()
    );
    for order in orders {
        assert_eq!(order.state(), OrderState::Delivered, "{order:?}");
    }
}
