//! What the metrics service counts of orders is held against the orders.

use tradepost_audit::{Service, Verdict, audit};

use crate::shop::Shop;

#[tokio::test]
async fn an_order_that_was_counted_twice_wrongly_or_never_is_caught() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    for (planted, undone) in [
        ("n = n + 1 where type_id = 1", "n = n - 1 where type_id = 1"),
        (
            "sum = sum + 9 where type_id = 1",
            "sum = sum - 9 where type_id = 1",
        ),
        (
            "sum = sum - 1 where type_id = 2",
            "sum = sum + 1 where type_id = 2",
        ),
        (
            "sum = sum + 1 where type_id = 5",
            "sum = sum - 1 where type_id = 5",
        ),
        ("n = n + 1 where type_id = 6", "n = n - 1 where type_id = 6"),
        // Revenue of another currency, and units of which nothing is known.
        (
            "type_id = 9 where type_id = 5",
            "type_id = 5 where type_id = 9",
        ),
        (
            "type_id = 8 where type_id = 4",
            "type_id = 4 where type_id = 8",
        ),
    ] {
        let other = "insert into event_types (tenant_id, type_id, name)
            select tenant_id, 9, 'order.confirmed.eur' from event_types where type_id = 1
            on conflict do nothing;
            insert into event_types (tenant_id, type_id, name)
            select tenant_id, 8, 'page.viewed' from event_types where type_id = 1
            on conflict do nothing";
        let plant = format!("{other}; update rollup_days set {planted}");
        shop.run(Service::Metrics, &plant).await;

        assert_eq!(shop.offended().await, ["metrics.count_orders"], "{planted}");
        let undo = format!("update rollup_days set {undone}");
        shop.run(Service::Metrics, &undo).await;
    }
    shop.assert_clean().await;
}

#[tokio::test]
async fn a_shop_whose_metrics_service_is_not_named_is_audited_without_it() {
    let shop = Shop::open().await;
    shop.run(Service::Metrics, "delete from rollup_days").await;
    let mut targets = shop.targets();
    targets
        .databases
        .retain(|named| named.service != Service::Metrics);

    let findings = audit(&targets).await.unwrap();

    assert_eq!(findings.verdict(), Verdict::Clean, "{findings}");
    let mut invariants = findings.invariants.iter();
    assert!(invariants.all(|finding| finding.invariant != "metrics.count_orders"));
}
