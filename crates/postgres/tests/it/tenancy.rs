//! Row-level security as the serving roles meet it, and the catalogue test that guards it.

use sqlx::Executor;
use tradepost_postgres::DbError;
use tradepost_testkit::{assert_tenancy, tenancy_violations};
use tradepost_types::TenantId;

use crate::notes;

#[tokio::test]
async fn a_tenant_sees_and_changes_only_its_own_rows() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let (mine, theirs) = (TenantId::new(), TenantId::new());
    for (tenant, id) in [(mine, 1), (theirs, 1), (theirs, 2)] {
        let mut tx = db.tenant_tx(tenant).await.unwrap();
        notes::insert(tx.conn(), tenant, id).await.unwrap();
        tx.commit().await.unwrap();
    }

    let mut tx = db.tenant_tx(mine).await.unwrap();
    let seen = notes::ids(tx.conn()).await;
    let changed = sqlx::query("update notes set body = 'stolen' where id = 2")
        .execute(tx.conn())
        .await
        .unwrap();
    let forged = notes::insert(tx.conn(), theirs, 3).await;
    let mut system = db.system_tx().await.unwrap();
    let all = notes::ids(system.conn()).await;

    assert_eq!(tx.tenant(), mine);
    assert_eq!(seen, [1]);
    assert_eq!(changed.rows_affected(), 0);
    assert!(matches!(
        DbError::from(forged.unwrap_err()),
        DbError::Query(_)
    ));
    assert_eq!(all, [1, 1, 2]);
}

#[tokio::test]
async fn without_a_tenant_no_row_is_seen_and_none_can_be_written() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    notes::insert(tx.conn(), tenant, 1).await.unwrap();
    tx.commit().await.unwrap();

    // The setting is empty in a used session and unknown in a new one: both must show nothing.
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    sqlx::raw_sql("commit; begin")
        .execute(tx.conn())
        .await
        .unwrap();
    let used = notes::ids(tx.conn()).await;
    let written = notes::insert(tx.conn(), tenant, 2).await;
    drop(tx);
    let mut config = test.config();
    config.system_url = config.url.clone();
    let db = tradepost_postgres::Database::connect_lazy(&config, "test").unwrap();
    let mut tx = db.system_tx().await.unwrap();
    let new = notes::ids(tx.conn()).await;

    assert_eq!((used, new), (vec![], vec![]));
    assert!(matches!(
        DbError::from(written.unwrap_err()),
        DbError::Query(_)
    ));
}

#[tokio::test]
async fn the_schema_of_this_crate_keeps_tenants_apart() {
    let test = notes::fresh().await;

    assert_tenancy(&test, &[]).await;
}

/// Ways to let tenants meet, and some words of the complaint about each.
const SABOTAGES: &[(&str, &str)] = &[
    (
        "alter table notes disable row level security",
        "not enabled",
    ),
    (
        "alter table notes no force row level security",
        "not forced",
    ),
    ("drop policy tenant on notes", "no policy"),
    (
        "create policy leak on notes to tradepost_app using (true)",
        "does not compare",
    ),
    (
        "create policy leak on notes for select to public using (true)",
        "does not compare",
    ),
    (
        "alter policy tenant on notes with check (true)",
        "does not compare",
    ),
    (
        "alter table notes add constraint body_key unique (body)",
        "begin with tenant_id",
    ),
    (
        "create index notes_id on notes (id)",
        "begin with tenant_id",
    ),
    ("create table tags (id int)", "has no tenant_id"),
    (
        "alter table notes drop constraint notes_pk, alter tenant_id drop not null",
        "null",
    ),
    ("grant truncate on notes to tradepost_app", "truncate"),
    (
        "create view all_notes as select body from notes",
        "security_invoker",
    ),
    (
        "create materialized view all_notes as select body from notes",
        "security_invoker",
    ),
    (
        "create function f() returns int language sql security definer return 1",
        "owner's rights",
    ),
    (
        "alter table notes owner to testkit_app",
        "belongs to a role",
    ),
    (
        "create table tags (tenant_id uuid not null, id bigint references refs (id));",
        "foreign key",
    ),
];

#[tokio::test]
async fn the_catalogue_test_notices_every_way_to_let_tenants_meet() {
    let test = notes::fresh().await;
    let mut admin = test.admin().await;
    let refs = "create table refs (tenant_id uuid not null, id bigint unique)";
    admin.execute(refs).await.unwrap();
    let before = tenancy_violations(&mut admin, &["refs"]).await;

    for (sabotage, expected) in SABOTAGES {
        admin.execute("begin").await.unwrap();
        admin.execute(*sabotage).await.unwrap();
        let found = tenancy_violations(&mut admin, &["refs"]).await;
        admin.execute("rollback").await.unwrap();

        let new: Vec<_> = found
            .iter()
            .filter(|violation| !before.contains(violation))
            .collect();
        assert!(
            new.iter().any(|text| text.contains(expected)),
            "{sabotage}: {new:?}"
        );
    }
}

#[tokio::test]
async fn the_allow_list_excuses_tables_and_indexes_but_never_missing_row_level_security() {
    let test = notes::fresh().await;
    let mut admin = test.admin().await;
    sqlx::raw_sql(
        "create table currencies (code text primary key);
         create index notes_sweep on notes (body);
         alter table notes disable row level security",
    )
    .execute(&mut admin)
    .await
    .unwrap();

    let found = tenancy_violations(&mut admin, &["currencies", "notes_sweep", "notes"]).await;

    assert_eq!(found, ["public.notes: row-level security is not enabled"]);
}
