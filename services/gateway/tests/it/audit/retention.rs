//! Months that are past their time.

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use time::{Date, Month, OffsetDateTime, Time};
use tradepost_gateway::adapters::postgres::audit::append;
use tradepost_gateway::domain::audit::{Chain, Head, Kind, Sealed};
use tradepost_gateway::ports::audit::AuditStore;

use super::support::{Keeping, Stage, a_chain, entry};

/// A chain with three entries in each of these months and one of now.
async fn with_past(stage: &Stage, chain: Chain, months: &[Date]) {
    let mut admin = stage.test_database.admin().await;
    let mut head = Head::genesis(chain);
    let mut sealed = Vec::new();
    for month in months {
        partition(&mut admin, *month).await;
        let at = OffsetDateTime::new_utc(*month, Time::MIDNIGHT) + time::Duration::days(9);
        for _ in 0..3 {
            let row = entry(chain).seal(&head, at, &[0; 16]);
            head = row.head();
            sealed.push(row);
        }
    }
    insert(&mut admin, &sealed).await;
    let mut tx = stage.database.system_tx().await.unwrap();
    append(tx.conn(), &entry(chain)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn partition(admin: &mut PgConnection, month: Date) {
    let (year, number) = (month.year(), u8::from(month.month()));
    for table in ["audit_entries", "audit_origins"] {
        let part = format!("{table}_{year}_{number:02}");
        let make = format!(
            "create table if not exists {part} partition of {table}
                 for values from ('{year}-{number:02}-01 00:00Z')
                 to ('{}-{:02}-01 00:00Z');
             alter table {part} owner to testkit_owner",
            year + i32::from(number == 12),
            number % 12 + 1,
        );
        admin.execute(AssertSqlSafe(make)).await.unwrap();
    }
}

async fn insert(admin: &mut PgConnection, rows: &[Sealed]) {
    for row in rows {
        sqlx::query(
            "insert into audit_entries
                 (tenant_id, seq, recorded_at, actor, action, outcome, details, prev, hash)
             values ($1, $2, $3, $4, $5, $6, '{}', $7, $8)",
        )
        .bind(row.chain.as_uuid())
        .bind(row.seq)
        .bind(row.recorded_at)
        .bind(&row.actor)
        .bind(&row.action)
        .bind(row.outcome.as_str())
        .bind(row.prev.as_slice())
        .bind(row.hash.as_slice())
        .execute(&mut *admin)
        .await
        .unwrap();
    }
    let last = rows.last().unwrap();
    for head in [
        "insert into audit_heads values ($1, 0 * $2, $3, $4)",
        "update audit_heads set seq = $2, hash = $3, recorded_at = $4 where tenant_id = $1",
    ] {
        sqlx::query(head)
            .bind(last.chain.as_uuid())
            .bind(last.seq)
            .bind(last.hash.as_slice())
            .bind(last.recorded_at)
            .execute(&mut *admin)
            .await
            .unwrap();
    }
}

fn month(year: i32, month: Month) -> Date {
    Date::from_calendar_date(year, month, 1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_months_go_behind_a_signed_cut_and_the_rest_still_verifies() {
    let stage = Stage::new().await;
    let keeping = Keeping::of(&stage);
    let ((_, one), (_, other)) = (a_chain(), a_chain());
    let past = [month(2020, Month::November), month(2020, Month::December)];
    with_past(&stage, one, &past).await;
    with_past(&stage, other, &past[1..]).await;
    let mut keeper = keeping.keeper().await;

    let unsigned = keeper.retire().await.unwrap();
    assert_eq!(unsigned, [], "nothing goes that is not signed");
    assert_eq!(keeper.sign_due().await.unwrap(), 2);
    assert_eq!(keeper.retire().await.unwrap(), past);

    assert_eq!(stage.rows(one).await[0].seq, 7);
    assert_eq!(stage.rows(other).await[0].seq, 4);
    let report = keeping.verify().await;
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.rows, 2);
    let points = keeping.checkpoints().await.good;
    let cuts = points.iter().filter(|point| point.kind == Kind::Cut);
    let cuts: Vec<(Chain, i64)> = cuts.map(|point| (point.chain, point.seq)).collect();
    assert_eq!(cuts.len(), 3);
    assert!(cuts.contains(&(one, 3)) && cuts.contains(&(one, 6)) && cuts.contains(&(other, 3)));
    // What comes then is signed as ever, also by a process that has just started.
    let mut tx = stage.database.system_tx().await.unwrap();
    append(tx.conn(), &entry(one)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(keeping.keeper().await.sign_due().await.unwrap(), 1);

    // More than was cut.
    let mut admin = stage.test_database.admin().await;
    let more = format!(
        "set session_replication_role = replica;
         delete from audit_entries where tenant_id = '{}'",
        one.as_uuid()
    );
    admin.execute(AssertSqlSafe(more)).await.unwrap();
    let fault = keeping.verify().await.chains[&one].clone().unwrap_err();
    assert_eq!(fault.seq, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_was_tampered_with_is_kept() {
    let stage = Stage::new().await;
    let keeping = Keeping::of(&stage);
    let (_, chain) = a_chain();
    with_past(&stage, chain, &[month(2020, Month::December)]).await;
    let mut keeper = keeping.keeper().await;
    assert_eq!(keeper.sign_due().await.unwrap(), 1);
    let mut admin = stage.test_database.admin().await;
    let changed = "set session_replication_role = replica;
        update audit_entries set actor = 'user_x' where seq = 2";
    admin.execute(changed).await.unwrap();

    assert_eq!(keeper.retire().await.unwrap(), []);

    assert_eq!(stage.rows(chain).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn months_within_their_time_are_kept_and_those_ahead_are_made() {
    let stage = Stage::new().await;
    let store = stage.store();
    store.prepare(14).await.unwrap();
    store.prepare(14).await.unwrap();

    assert_eq!(store.months().await.unwrap(), [], "none is past");
    let mut admin = stage.test_database.admin().await;
    let made: i64 = sqlx::query_scalar(
        "select count(*) from pg_inherits where inhparent = 'audit_entries'::regclass",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    assert_eq!(made, 15);
}
