//! What an order can come to, each on real processes.

use tradepost_e2e::{Service, Setup, Shop, basket};
use tradepost_proto::order::v1::OrderState;
use tradepost_proto::payment::v1::PaymentState;
use tradepost_provider_sim::{Fault, Op, Rule};
use tradepost_testkit::eventually;

#[tokio::test]
async fn an_order_is_delivered_and_paid_once() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 10).await;

    let order = shop.buyer.buy(basket(&[("TEA", 3)], "pm_card_visa")).await;

    assert_eq!(order.state(), OrderState::Delivered);
    let payment = shop.buyer.payment(&order.payment_id).await;
    assert_eq!(payment.state(), PaymentState::Captured);
    let sums = shop.provider.witness().unwrap();
    let sums = &sums.payments[&order.payment_id];
    assert_eq!((sums.captured.count, sums.captured.amount), (1, 3_000));
    let stock = shop.buyer.stock_of("TEA").await;
    assert_eq!((stock.on_hand, stock.reserved), (7, 0));
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_declined_card_gives_the_stock_back() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 10).await;
    let declined = basket(&[("TEA", 3)], "pm_card_chargeDeclinedInsufficientFunds");

    let order = shop.buyer.buy(declined).await;

    assert_eq!(order.state(), OrderState::Rejected);
    assert_eq!(order.reject_reason, "INSUFFICIENT_FUNDS", "{order:?}");
    let stock = shop.buyer.stock_of("TEA").await;
    assert_eq!((stock.on_hand, stock.reserved), (10, 0));
    shop.assert_sound().await;
}

#[tokio::test]
async fn what_is_not_there_is_not_sold_and_nobody_is_charged() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 10).await;
    shop.buyer.stock("POT", 1).await;

    let order = shop
        .buyer
        .buy(basket(&[("TEA", 3), ("POT", 2)], "pm_card_visa"))
        .await;

    assert_eq!(order.state(), OrderState::Rejected);
    assert_eq!(order.reject_reason, "OUT_OF_STOCK", "{order:?}");
    assert!(shop.provider.witness().unwrap().payments.is_empty());
    assert_eq!(shop.buyer.stock_of("TEA").await.available, 10);
    shop.assert_sound().await;
}

/// Every call of the provider, each lost in each way.
#[tokio::test]
async fn a_provider_that_answers_late_twice_or_not_at_all_charges_once() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 1_000).await;
    for op in [Op::Create, Op::Capture] {
        for fault in provider_faults() {
            shop.provider.faults().clear();
            let rule = Rule {
                times: Some(2),
                ..Rule::on(op, fault.clone())
            };
            shop.provider.faults().add(rule).unwrap();

            let order = shop.buyer.buy(basket(&[("TEA", 1)], "pm_card_visa")).await;

            assert_eq!(order.state(), OrderState::Delivered, "{op:?} {fault:?}");
            let sums = shop.provider.witness().unwrap();
            let sums = &sums.payments[&order.payment_id];
            assert_eq!(sums.captured.count, 1, "{op:?} {fault:?}");
            assert_eq!(sums.authorised.count, 1, "{op:?} {fault:?}");
        }
    }
    shop.assert_sound().await;
}

/// The undo of an authorisation, lost in each way.
#[tokio::test]
async fn a_cancellation_that_the_provider_answers_badly_releases_the_money_once() {
    let shop = Shop::with(unhurried_carrier()).await;
    shop.buyer.stock("TEA", 1_000).await;
    for fault in provider_faults() {
        shop.provider.faults().clear();
        let confirmed = shop
            .buyer
            .place(basket(&[("TEA", 1)], "pm_card_visa"))
            .await;
        let id = &confirmed.order_id;
        let is_confirmed = |state| state == OrderState::Confirmed;
        let confirmed = shop.buyer.until(id, is_confirmed).await;
        let rule = Rule {
            times: Some(2),
            ..Rule::on(Op::Cancel, fault.clone())
        };
        shop.provider.faults().add(rule).unwrap();

        shop.buyer.cancel(id).await.unwrap();
        let order = shop.buyer.ended(id).await;

        assert_eq!(order.state(), OrderState::Cancelled, "{fault:?}");
        let sums = shop.provider.witness().unwrap();
        let sums = &sums.payments[&confirmed.payment_id];
        assert_eq!((sums.captured.count, sums.held()), (0, 0), "{fault:?}");
    }
    assert_eq!(shop.buyer.stock_of("TEA").await.available, 1_000);
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_parcel_that_comes_back_is_paid_back() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 5).await;
    let mut returned = basket(&[("TEA", 2)], "pm_card_visa");
    if let Some(address) = &mut returned.shipping_address {
        // The table-rate carrier brings back what goes there.
        address.region = "SIM-RETURN".to_owned();
    }

    let order = shop.buyer.buy(returned).await;

    assert_eq!(order.state(), OrderState::Returned);
    let net = eventually(
        "the refund at the provider",
        tradepost_e2e::SOON,
        async || {
            let witness = shop.provider.witness().unwrap();
            let net = witness.payments[&order.payment_id].net();
            (net == 0).then_some(net)
        },
    )
    .await;
    assert_eq!(net, 0);
    shop.assert_sound().await;
}

fn provider_faults() -> [Fault; 8] {
    [
        Fault::TimeoutBefore { hang_ms: 1_000 },
        Fault::TimeoutAfter { hang_ms: 1_000 },
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::RateLimit {
            retry_after_seconds: 1,
        },
        status(500),
        status(503),
        Fault::Delay { delay_ms: 900 },
    ]
}

const fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        delay_ms: 0,
        saved: false,
    }
}

/// A carrier that leaves time to cancel.
fn unhurried_carrier() -> Setup<'static> {
    Setup::default().with(Service::Shipping, "CARRIER__HAND_OVER_AFTER_MS", 3_600_000)
}
