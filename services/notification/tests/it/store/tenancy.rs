//! Every table keeps the tenants apart.

use tradepost_notification::ports::{Histories, HistoryQuestion, Outcome, Past, Tellings};
use tradepost_testkit::assert_tenancy;
use tradepost_types::TenantId;

use super::support::{Desk, fresh_database};

/// Of which history the database is, and which months it has; what nodes look at is of all tenants; the
/// functions that make and drop months without a look at their rows.
const ACROSS_TENANTS: &[&str] = &[
    "epoch",
    "notification_months",
    "members_by_tx",
    "notifications_by_tx",
    "user_preferences_by_tx",
    "user_streams_by_read_tx",
    "members_by_read_tx",
    "notifications_prepare",
    "notifications_forget",
    "webhook_cursor",
    "webhook_deliveries_by_age",
    "webhook_messages_by_age",
    "email_cursor",
    "emails_by_age",
    "email_messages_by_age",
];

#[tokio::test]
async fn every_table_is_closed_to_other_tenants() {
    let database = fresh_database().await;
    let months: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relname ~ '^notifications_.*_tx_idx$'",
    )
    .fetch_all(&mut database.admin().await)
    .await
    .unwrap();
    assert!(!months.is_empty());

    let allowed: Vec<&str> = ACROSS_TENANTS
        .iter()
        .copied()
        .chain(months.iter().map(String::as_str))
        .collect();

    assert_tenancy(&database, &allowed).await;
}

#[tokio::test]
async fn equal_names_in_two_tenants_are_two_streams() {
    let mut desk = Desk::open().await;
    let first = desk.tenant;
    desk.make_group("staff").await;
    desk.join("staff", &["ann"]).await;
    desk.tell(desk.to_users(&["ann"], "of the first")).await;
    desk.tell(desk.to_group("staff", "of the first")).await;
    let telling = desk.to_users(&["ann"], "of the second");

    desk.tenant = TenantId::new();
    let mut same_id = telling;
    same_id.tenant = desk.tenant;
    let (receipt, _) = desk.tell(same_id).await;
    let refused = desk
        .store
        .tell(desk.to_group("staff", "nobody"))
        .await
        .unwrap();

    assert_eq!(receipt.sequences, [1]);
    assert_eq!(refused, Outcome::NoGroup);
    let question = HistoryQuestion {
        unread_only: false,
        after: None,
        limit: 10,
    };
    let second = desk
        .store
        .page(&desk.reader("ann"), &question)
        .await
        .unwrap();
    let titles: Vec<&str> = second
        .iter()
        .map(|kept| kept.content.title.as_str())
        .collect();
    assert_eq!(titles, ["of the second"]);
    let opened = desk.store.open(&[desk.reader("ann")]).await.unwrap();
    assert!(opened[0].groups.is_empty());
    assert_ne!(first, desk.tenant);
}

#[tokio::test]
async fn one_statement_of_a_tenant_cannot_write_another_ones_stream() {
    let desk = Desk::open().await;
    let mut tx = desk.database.tenant_tx(TenantId::new()).await.unwrap();

    let written = sqlx::query("insert into user_streams (tenant_id, user_id) values ($1, 'ann')")
        .bind(desk.tenant.as_uuid())
        .execute(tx.conn())
        .await;

    let error = written.unwrap_err().to_string();
    assert!(error.contains("row-level security"), "{error}");
}
