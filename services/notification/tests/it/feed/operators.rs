//! What operators do at the command line.

use tradepost_proto::order::event::v1 as fact;
use tradepost_types::{OrderId, TenantId};

use super::stage::{
    ADA, Machine, Orders, SOON, STAFF, Stage, command, eur, fresh_database, lines, of_user, stored,
    until_parked, until_told,
};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restore_an_operator_begins_another_epoch() {
    let database = fresh_database().await;
    let epoch = async || -> String {
        sqlx::query_scalar("select epoch from epoch")
            .fetch_one(&mut database.admin().await)
            .await
            .unwrap()
    };
    let before = epoch().await;

    let mut process = command(&database, &["new-epoch"]).spawn();
    let status = process.wait(SOON).await;

    assert!(status.success(), "{}", process.log());
    let now = epoch().await;
    assert_ne!(now, before);
    let log = process.log();
    assert!(
        log.contains(&format!("the epoch was {before}, and is {now}")),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_told_in_the_language_that_was_chosen_for_it() {
    let stage = Stage::open().await;
    let tenant = stage.orders.tenant;
    let choose = async |locale: &str| {
        let tenant = tenant.to_string();
        let mut process = command(&stage.database, &["locale", &tenant, locale]).spawn();
        (process.wait(SOON).await.success(), process.log())
    };

    assert!(choose("de").await.0);
    assert!(choose("fr").await.0);
    let (done, log) = choose("tlh").await;

    assert!(!done && log.contains("one of en, de and fr"), "{log}");
    let mut confirmed = stage.orders.confirmed(OrderId::new(), ADA);
    let shipped = stage.orders.shipped(OrderId::new(), ADA);
    confirmed.message.tenant = TenantId::new();
    let other = confirmed.message.tenant;
    stage.orders.send(&[confirmed, shipped]).await;
    stage.until_told(STAFF, &lines(["shipped"])).await;
    let title = async |tenant| {
        stored(&stage.database, tenant, STAFF).await[0]
            .1
            .title
            .clone()
    };
    assert_eq!(title(tenant).await, "Commande expédiée");
    assert_eq!(title(other).await, "Order confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_facts_are_listed_by_their_reason_and_the_order_is_told_of_all_the_same() {
    let (orders, database) = (Orders::open().await, fresh_database().await);
    let _machine = Machine::start(&database, &orders, None).await;
    let order = OrderId::new();
    let broken = orders.fact(&fact::OrderConfirmed {
        order_id: order.to_string(),
        customer_ref: String::new(),
        total: eur(1),
        ..Default::default()
    });
    orders.send(&[broken, orders.confirmed(order, ADA)]).await;
    until_parked(&database, 1).await;

    let mut list = command(&database, &["parked", "list"]).spawn();
    assert!(list.wait(SOON).await.success(), "{}", list.log());

    assert!(list.log().contains("unreadable_customer"), "{}", list.log());
    for stream in [of_user(ADA), STAFF.to_owned()] {
        until_told(&database, orders.tenant, &stream, &lines(["confirmed"])).await;
    }
}
