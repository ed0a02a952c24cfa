//! Many buyers, few units.

use futures::future::join_all;
use tradepost_e2e::{Shop, basket};
use tradepost_proto::order::v1::OrderState;

#[tokio::test]
async fn of_many_buyers_exactly_as_many_get_one_as_there_are() {
    const BUYERS: usize = 60;
    const UNITS: usize = 17;
    let shop = Shop::open().await;
    shop.buyer.stock("LAST", 17).await;

    let orders = (0..BUYERS).map(|_| shop.buyer.buy(basket(&[("LAST", 1)], "pm_card_visa")));
    let orders = join_all(orders).await;

    let with = |state| orders.iter().filter(|order| order.state() == state).count();
    assert_eq!(with(OrderState::Delivered), UNITS);
    assert_eq!(with(OrderState::Rejected), BUYERS - UNITS);
    let stock = shop.buyer.stock_of("LAST").await;
    assert_eq!((stock.on_hand, stock.reserved), (0, 0));
    shop.assert_sound().await;
}

#[tokio::test]
async fn e01_the_same_order_placed_many_times_at_once_is_one_order() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 100).await;
    let request = basket(&[("TEA", 1)], "pm_card_visa");

    let placed = join_all((0..20).map(|_| shop.buyer.place(request.clone()))).await;
    let order = shop.buyer.ended(&placed[0].order_id).await;

    assert!(placed.iter().all(|each| each.order_id == order.order_id));
    assert_eq!(order.state(), OrderState::Delivered);
    assert_eq!(shop.buyer.stock_of("TEA").await.on_hand, 99);
    assert_eq!(shop.provider.witness().unwrap().payments.len(), 1);
    shop.assert_sound().await;
}
