//! An order is held in each of its states in turn, the customer wants out, and what held it lets go:
//! what becomes of it, of the money and of the stock is known for each state.

use sqlx::{Executor, PgConnection};
use tradepost_e2e::{Service, Setup, Shop, basket};
use tradepost_proto::order::v1::{CancelOrderRequest, Order, OrderState, PlaceOrderRequest};
use tradepost_provider_sim::{Fault, Op, Rule};
use tradepost_service::error::ErrorDetails;

use crate::carrier::{Carrier, DELIVERS, FETCHES, WAIT_MS};

const STOCK: i64 = 1_000;
const PRICE: i64 = 1_000;
const SHIPPED: &str = "ORDER_ALREADY_SHIPPED";

#[tokio::test]
async fn in_every_state_a_cancellation_undoes_all_or_is_refused_and_changes_nothing() {
    let setup = Setup::default()
        .with(Service::Shipping, FETCHES, WAIT_MS)
        .with(Service::Shipping, DELIVERS, WAIT_MS);
    let mut shop = Shop::with(setup).await;
    shop.buyer.stock("TEA", STOCK).await;
    let mut sold = 0;
    for state in states() {
        let wanted = outcome(state);
        let held = hold(&mut shop, state).await;
        let before = shop.buyer.get(&held.order.order_id).await;
        assert_eq!(before.state(), state, "it is not held");

        let answer = shop.buyer.cancel(&held.order.order_id).await;
        let answer = answer.map(|order| order.state());
        let answer = answer.map_err(|status| ErrorDetails::from_status(&status).reason);
        let ended = let_go(&mut shop, held, wanted.end).await;

        assert_eq!(answer, wanted.answer.map_err(str::to_owned), "{state:?}");
        assert_eq!(ended.state(), wanted.end, "{state:?}");
        assert_eq!(money(&shop, &ended), (wanted.kept, 0), "{state:?}");
        sold += i64::from(wanted.kept > 0);
    }
    let stock = shop.buyer.stock_of("TEA").await;
    assert_eq!((stock.on_hand, stock.reserved), (STOCK - sold, 0));
    shop.assert_sound().await;
}

/// All that an order can be in.
fn states() -> impl Iterator<Item = OrderState> {
    (1..).map_while(|number| OrderState::try_from(number).ok())
}

/// What a cancellation in a state comes to.
struct Outcome {
    /// The state that it is answered with, or the reason of the refusal.
    answer: Result<OrderState, &'static str>,
    /// How the order ends.
    end: OrderState,
    /// The money that we have after it; none is held for any of them.
    kept: i64,
}

const fn outcome(state: OrderState) -> Outcome {
    let (answer, end, kept) = match state {
        OrderState::Unspecified => panic!("no order is in it"),
        // Nothing is undone before the payment has answered.
        OrderState::Authorizing => (Ok(OrderState::Authorizing), OrderState::Cancelled, 0),
        OrderState::Reserving
        | OrderState::Confirming
        | OrderState::Confirmed
        | OrderState::Cancelling => (Ok(OrderState::Cancelling), OrderState::Cancelled, 0),
        OrderState::Cancelled => (Ok(OrderState::Cancelled), OrderState::Cancelled, 0),
        OrderState::Capturing | OrderState::Shipped | OrderState::Delivered => {
            (Err(SHIPPED), OrderState::Delivered, PRICE)
        }
        OrderState::Returning | OrderState::Returned => (Err(SHIPPED), OrderState::Returned, 0),
        OrderState::Rejected => (Err("ORDER_NOT_CANCELLABLE"), OrderState::Rejected, 0),
        OrderState::NeedsAttention => (Err(SHIPPED), OrderState::NeedsAttention, PRICE),
    };
    Outcome { answer, end, kept }
}

/// An order that stays as it is for as long as the test likes.
struct Held {
    order: Order,
    /// Keeps the inventory service from writing reservations.
    lock: Option<PgConnection>,
}

/// Brings an order into that state and keeps it there.
async fn hold(shop: &mut Shop, state: OrderState) -> Held {
    let mut lock = None;
    let mut request = tea();
    match state {
        OrderState::Reserving => lock = Some(lock_reservations(shop).await),
        OrderState::Authorizing => provider_fails(shop, Op::Create),
        OrderState::Confirming => shop.unit_mut(Service::Shipping).stop().await,
        OrderState::Capturing => provider_fails(shop, Op::Capture),
        OrderState::Returning => {
            provider_fails(shop, Op::Refund);
            request = to_region("SIM-RETURN");
        }
        OrderState::Returned => request = to_region("SIM-RETURN"),
        OrderState::NeedsAttention => request = to_region("SIM-LOSS"),
        OrderState::Rejected => request.payment_method = "pm_card_chargeDeclined".to_owned(),
        OrderState::Confirmed
        | OrderState::Shipped
        | OrderState::Delivered
        | OrderState::Cancelling
        | OrderState::Cancelled
        | OrderState::Unspecified => {}
    }
    let placed = shop.buyer.place(request).await;
    let id = placed.order_id;
    match state {
        OrderState::Capturing | OrderState::Shipped => carry(shop, &id, "label_ready").await,
        OrderState::Delivered
        | OrderState::Returning
        | OrderState::Returned
        | OrderState::NeedsAttention => {
            carry(shop, &id, "label_ready").await;
            carry(shop, &id, "out_for_delivery").await;
        }
        OrderState::Cancelling | OrderState::Cancelled => {
            confirmed(shop, &id).await;
            if state == OrderState::Cancelling {
                shop.unit_mut(Service::Shipping).stop().await;
            }
            cancel_before(shop, &id).await;
        }
        OrderState::Reserving
        | OrderState::Authorizing
        | OrderState::Confirming
        | OrderState::Confirmed
        | OrderState::Rejected
        | OrderState::Unspecified => {}
    }
    let order = shop.buyer.until(&id, |now| now == state).await;
    Held { order, lock }
}

/// Takes away what holds the order, and waits for its end.
async fn let_go(shop: &mut Shop, held: Held, end: OrderState) -> Order {
    let id = &held.order.order_id;
    if let Some(mut lock) = held.lock {
        lock.execute("rollback").await.unwrap();
    }
    shop.provider.faults().clear();
    match held.order.state() {
        OrderState::Confirming | OrderState::Cancelling => {
            shop.unit_mut(Service::Shipping).start().await;
        }
        OrderState::Capturing | OrderState::Shipped => carry(shop, id, "out_for_delivery").await,
        OrderState::Reserving
        | OrderState::Authorizing
        | OrderState::Confirmed
        | OrderState::Delivered
        | OrderState::Cancelled
        | OrderState::Rejected
        | OrderState::Returning
        | OrderState::Returned
        | OrderState::NeedsAttention
        | OrderState::Unspecified => {}
    }
    shop.buyer.until(id, |now| now == end).await
}

fn tea() -> PlaceOrderRequest {
    basket(&[("TEA", 1)], "pm_card_visa")
}

/// The carrier goes by the region.
fn to_region(region: &str) -> PlaceOrderRequest {
    let mut request = tea();
    if let Some(address) = &mut request.shipping_address {
        address.region = region.to_owned();
    }
    request
}

/// Prices are read as ever; whoever writes a reservation waits.
async fn lock_reservations(shop: &Shop) -> PgConnection {
    let mut inventory = shop.database(Service::Inventory).admin().await;
    let lock = "begin; lock table reservations in exclusive mode";
    inventory.execute(lock).await.unwrap();
    inventory
}

/// No effect and no answer, until the faults are cleared.
fn provider_fails(shop: &Shop, op: Op) {
    let fault = Fault::TimeoutBefore { hang_ms: 1_000 };
    shop.provider.faults().add(Rule::on(op, fault)).unwrap();
}

async fn carry(shop: &Shop, id: &str, from: &str) {
    Carrier::of(shop).await.carry(id, from).await;
}

async fn confirmed(shop: &Shop, id: &str) {
    let is_confirmed = |state| state == OrderState::Confirmed;
    shop.buyer.until(id, is_confirmed).await;
}

/// The first wish; the one that is looked at has another key.
async fn cancel_before(shop: &Shop, id: &str) {
    let request = CancelOrderRequest {
        request_id: format!("before-{id}"),
        order_id: id.to_owned(),
        note: "changed my mind".to_owned(),
    };
    let mut orders = shop.buyer.orders.clone();
    orders.cancel_order(request).await.unwrap();
}

/// What the provider has taken for the order and not given back, and what it holds.
fn money(shop: &Shop, order: &Order) -> (i64, i64) {
    let witness = shop.provider.witness().unwrap();
    let sums = witness.payment(&order.payment_id);
    sums.map_or((0, 0), |sums| (sums.net(), sums.held()))
}
