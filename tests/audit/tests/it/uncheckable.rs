//! What cannot be looked at is never called clean.

use serde_json::json;
use tradepost_audit::{CannotAudit, DatabaseName, Service, audit};

use crate::shop::Shop;

#[tokio::test]
async fn a_missing_database_cannot_be_audited() {
    let shop = Shop::open().await;
    shop.assert_clean().await;
    let mut targets = shop.targets();
    targets
        .databases
        .retain(|named| named.service != Service::Shipping);
    targets.databases.push(DatabaseName {
        service: Service::Shipping,
        name: "there_is_no_such_database".to_owned(),
    });

    let refused = audit(&targets).await.unwrap_err();

    let CannotAudit::Database { service, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(service, Service::Shipping);
}

#[tokio::test]
async fn a_missing_table_cannot_be_audited() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    shop.run(Service::Payment, "drop table postings").await;

    assert!(matches!(
        shop.audit().await,
        Err(CannotAudit::Database {
            service: Service::Payment,
            ..
        })
    ));
}

#[tokio::test]
async fn an_empty_or_missing_log_is_no_witness_where_there_are_payments() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    shop.forget_log();
    assert!(matches!(
        shop.audit().await,
        Err(CannotAudit::EmptyLog { payments: 2 })
    ));

    let mut targets = shop.targets();
    targets.provider_log.set_extension("nowhere");
    assert!(matches!(audit(&targets).await, Err(CannotAudit::Log(_))));
}

#[tokio::test]
async fn a_log_that_was_reset_or_lost_a_line_is_no_witness() {
    let mut shop = Shop::open().await;
    shop.assert_clean().await;

    shop.log("reset", &json!({}));
    assert!(matches!(
        shop.audit().await,
        Err(CannotAudit::Reset { resets: 1 })
    ));

    let mut shop = Shop::open().await;
    shop.log("get", &json!({"seq": 99}));
    assert!(matches!(shop.audit().await, Err(CannotAudit::Log(_))));
}

#[tokio::test]
async fn a_role_that_sees_only_a_part_cannot_audit() {
    let shop = Shop::open().await;
    shop.assert_clean().await;
    let mut targets = shop.targets();
    targets.postgres_url = shop.request_role();

    assert!(matches!(
        audit(&targets).await,
        Err(CannotAudit::Blind { .. })
    ));
}

#[tokio::test]
async fn a_state_from_the_future_cannot_be_audited() {
    let shop = Shop::open().await;
    shop.assert_clean().await;

    let future = "update orders set state = 'gift_wrapping' where state = 'confirmed'";
    shop.run(Service::Order, future).await;

    assert!(matches!(
        shop.audit().await,
        Err(CannotAudit::Unknown { .. })
    ));
}
