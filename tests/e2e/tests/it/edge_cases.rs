//! Edge cases by their number in the order notes, where they need the whole shop; most have their
//! test in the service that they concern.

use sqlx::Executor;
use tradepost_e2e::{SOON, Service, Shop, basket};
use tradepost_proto::order::v1::OrderState;
use tradepost_provider_sim::{Fault, Rule};
use tradepost_testkit::eventually;

use crate::outages::orders_of;

#[tokio::test]
async fn e01_a_rejected_order_is_answered_again_for_its_key_and_tried_by_nobody() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 1).await;
    let declined = basket(&[("TEA", 1)], "pm_card_chargeDeclined");
    let scarce = basket(&[("TEA", 2)], "pm_card_visa");
    let first = [
        shop.buyer.buy(declined.clone()).await,
        shop.buyer.buy(scarce.clone()).await,
    ];
    // What was missing is there now: another key would get it.
    let movement = shop.buyer.receive("TEA", 10).await;
    assert_eq!(movement.available, 11);

    let again = [
        shop.buyer.place(declined).await,
        shop.buyer.place(scarce).await,
    ];

    for (first, again) in first.iter().zip(&again) {
        assert_eq!(first.state(), OrderState::Rejected);
        assert_eq!(again, first, "the same order, as it ended");
    }
    let witness = shop.provider.witness().unwrap();
    let declined: u64 = witness.payments.values().map(|sums| sums.declined).sum();
    assert_eq!((witness.payments.len(), declined), (1, 1));
    assert_eq!(orders_of(&shop).await, 2);
    shop.assert_sound().await;
}

#[tokio::test]
async fn e03_webhooks_early_often_stale_forged_and_out_of_order_change_nothing() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 100).await;
    let faults = [
        Fault::WebhookEarly,
        Fault::WebhookDuplicate { copies: 3 },
        Fault::WebhookOutOfOrder { hold_ms: 200 },
        Fault::WebhookForged,
        Fault::WebhookStale { age_seconds: 600 },
        Fault::WebhookNone,
    ];
    for fault in faults {
        shop.provider.faults().clear();
        shop.provider
            .faults()
            .add(Rule::always(fault.clone()))
            .unwrap();

        let order = shop.buyer.buy(basket(&[("TEA", 1)], "pm_card_visa")).await;

        assert_eq!(order.state(), OrderState::Delivered, "{fault:?}");
        let witness = shop.provider.witness().unwrap();
        assert_eq!(
            witness.payments[&order.payment_id].captured.count, 1,
            "{fault:?}"
        );
    }
    shop.assert_sound().await;
}

#[tokio::test]
async fn e18_a_poisoned_message_is_parked_and_holds_up_nobody() {
    let shop = Shop::open().await;
    shop.buyer.stock("TEA", 100).await;
    let sound = shop.buyer.buy(basket(&[("TEA", 1)], "pm_card_visa")).await;
    let mut order = shop.database(Service::Order).admin().await;
    let mut inventory = shop.database(Service::Inventory).admin().await;

    // What a faulty release of the order service would send: a body that is no command.
    order.execute(POISON).await.unwrap();
    let after = shop.buyer.buy(basket(&[("TEA", 1)], "pm_card_visa")).await;

    assert_eq!(sound.state(), OrderState::Delivered);
    assert_eq!(after.state(), OrderState::Delivered);
    let parked = eventually("the poison is parked", SOON, async || {
        let count = "select count(*) from messaging.parked";
        let parked: i64 = sqlx::query_scalar(count)
            .fetch_one(&mut inventory)
            .await
            .unwrap();
        (parked > 0).then_some(parked)
    })
    .await;
    assert_eq!(parked, 1);
    shop.assert_sound_but_for(1).await;
}

const POISON: &str = "
    insert into messaging.outbox
        (message_id, tenant_id, exchange, routing_key, mandatory, kind, correlation_id, subject,
         sequence, occurred_at, body)
    select
        gen_random_uuid(), tenant_id, 'tradepost.commands', 'inventory.reserve', true,
        'tradepost.inventory.command.v1.ReserveStock', gen_random_uuid(), 'poison', 1, now(),
        '\\xdeadbeef'::bytea
    from orders limit 1";
