//! The store on PostgreSQL: the contract, and what only this one can promise.

use async_trait::async_trait;
use tradepost_shipping::ports::StoreError;
use tradepost_testkit::assert_tenancy;
use tradepost_types::{OrderId, ShipmentId};

use crate::store_contract::{self as contract, Pending};
use crate::support::{Depot, NEVER, fresh_database, shipment_of};

#[async_trait]
impl Pending for Depot {
    async fn told(&self, id: ShipmentId) -> Vec<(String, i64)> {
        let mut tx = self.database.system_tx().await.unwrap();
        let told = sqlx::query_as(
            "select routing_key, sequence from messaging.outbox where subject = $1 order by seq",
        )
        .bind(id.to_string())
        .fetch_all(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
        told
    }
}

macro_rules! the_contract_holds {
    ($($clause:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $clause() {
                let depot = Depot::open(NEVER).await;
                contract::$clause(&*depot.store, &depot).await;
            }
        )*
    };
}

the_contract_holds!(
    a_shipment_is_found_as_it_was_written,
    a_message_has_its_effect_and_its_news_once,
    targets_of_one_shipment_are_changed_in_their_order,
    what_is_left_as_it_is_is_not_written,
    a_refused_write_leaves_no_document_no_news_and_no_mark,
    of_concurrent_changes_none_is_lost,
    a_shipment_that_several_make_at_once_is_not_another_of_its_order,
    a_due_shipment_is_advanced_by_one_of_many_workers,
    a_shipment_is_due_when_its_time_has_come,
    who_waits_is_told_when_a_shipment_is_due,
    a_report_has_its_effect_once_by_its_key,
    tenants_do_not_see_each_others_shipments,
);

#[tokio::test]
async fn without_its_news_a_shipment_is_not_written() {
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();
    let book = [depot.book(order, "")];
    let mut admin = depot.test_database.admin().await;
    let lock_out = "alter table messaging.outbox add constraint closed check (false) not valid";
    sqlx::query(lock_out).execute(&mut admin).await.unwrap();

    let refused = depot.carry_out.run(&book).await;
    let stored = depot.store.find(depot.tenant, shipment_of(order)).await;
    let let_in = "alter table messaging.outbox drop constraint closed";
    sqlx::query(let_in).execute(&mut admin).await.unwrap();
    depot.carry_out.run(&book).await.unwrap();

    assert!(matches!(refused, Err(StoreError::Broken(_))));
    assert!(stored.unwrap().is_none());
    assert_eq!(depot.said(order).await, ["shipping.booked"]);
}

#[tokio::test]
async fn every_table_is_closed_to_other_tenants() {
    let across_tenants = [
        "messaging.outbox",
        "messaging.inbox",
        "messaging.retries",
        "messaging.parked",
        "public.shipments_due",
    ];
    assert_tenancy(&fresh_database().await, &across_tenants).await;
}
