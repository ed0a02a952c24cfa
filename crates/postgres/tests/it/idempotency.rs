//! The same request, sent again, gets the same answer.

use time::{Duration, OffsetDateTime};
use tradepost_postgres::idempotency::{
    Claim, Request, claim, claim_all, complete, complete_all, prune,
};
use tradepost_postgres::{Database, DbError};
use tradepost_types::TenantId;

use crate::notes;

const PLACE: &str = "PlaceOrder";
const BODY: [u8; 32] = [1; 32];

/// A whole request: claims, works, answers.
async fn place(db: &Database, tenant: TenantId, answer: &[u8]) -> Result<Claim, DbError> {
    let mut tx = db.tenant_tx(tenant).await?;
    let found = claim(tx.conn(), tenant, PLACE, "r-1", &BODY).await?;
    if found == Claim::Fresh {
        complete(tx.conn(), tenant, PLACE, "r-1", answer).await?;
    }
    tx.commit().await?;
    Ok(found)
}

#[tokio::test]
async fn a_repeated_request_gets_the_recorded_answer() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();

    let first = place(&db, tenant, b"order 1").await.unwrap();
    let second = place(&db, tenant, b"order 2").await.unwrap();

    assert_eq!(first, Claim::Fresh);
    assert_eq!(second, Claim::Replay(b"order 1".to_vec()));
}

#[tokio::test]
async fn an_answer_known_beforehand_is_recorded_with_the_claim_or_not_at_all() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();
    let mut found = Vec::new();

    // The first is rolled back, so its answer is not one.
    for (answer, commits) in [(b"order 1", false), (b"order 2", true), (b"order 3", true)] {
        let mut tx = db.tenant_tx(tenant).await.unwrap();
        let request = Request {
            id: "r-1",
            fingerprint: &BODY,
            answer: answer.to_vec(),
        };
        let claims = claim_all(tx.conn(), tenant, PLACE, &[request]).await;
        found.extend(claims.unwrap());
        if commits {
            tx.commit().await.unwrap();
        } else {
            tx.rollback().await;
        }
    }

    let replay = Claim::Replay(b"order 2".to_vec());
    assert_eq!(found, [Claim::Fresh, Claim::Fresh, replay]);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();
    place(&db, tenant, b"order 1").await.unwrap();

    let mut tx = db.tenant_tx(tenant).await.unwrap();
    let found = claim(tx.conn(), tenant, PLACE, "r-1", &[2; 32])
        .await
        .unwrap();

    assert_eq!(found, Claim::Mismatch);
}

#[tokio::test]
async fn tenants_and_operations_have_keys_of_their_own() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let (tenant, other) = (TenantId::new(), TenantId::new());
    place(&db, tenant, b"order 1").await.unwrap();

    let of_other = place(&db, other, b"order 2").await.unwrap();
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    let of_cancel = claim(tx.conn(), tenant, "CancelOrder", "r-1", &BODY)
        .await
        .unwrap();

    assert_eq!((of_other, of_cancel), (Claim::Fresh, Claim::Fresh));
}

#[tokio::test]
async fn a_twin_waits_for_the_first_and_then_replays() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 2);
    let tenant = TenantId::new();
    let mut first = db.tenant_tx(tenant).await.unwrap();
    assert_eq!(
        claim(first.conn(), tenant, PLACE, "r-1", &BODY)
            .await
            .unwrap(),
        Claim::Fresh
    );

    let twin = tokio::task::spawn({
        let db = db.clone();
        async move { place(&db, tenant, b"never").await }
    });
    wait_for_a_blocked_session(&test).await;
    complete(first.conn(), tenant, PLACE, "r-1", b"order 1")
        .await
        .unwrap();
    first.commit().await.unwrap();

    assert_eq!(
        twin.await.unwrap().unwrap(),
        Claim::Replay(b"order 1".to_vec())
    );
}

#[tokio::test]
async fn a_twin_takes_over_when_the_first_is_rolled_back() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 2);
    let tenant = TenantId::new();
    let mut first = db.tenant_tx(tenant).await.unwrap();
    assert_eq!(
        claim(first.conn(), tenant, PLACE, "r-1", &BODY)
            .await
            .unwrap(),
        Claim::Fresh
    );

    let twin = tokio::task::spawn({
        let db = db.clone();
        async move { place(&db, tenant, b"order 2").await }
    });
    wait_for_a_blocked_session(&test).await;
    drop(first);

    assert_eq!(twin.await.unwrap().unwrap(), Claim::Fresh);
}

#[tokio::test]
async fn a_twin_that_waits_too_long_is_told_to_try_again() {
    let test = notes::fresh().await;
    let mut config = test.config();
    config.lock_timeout_ms = 50;
    let db = Database::connect_lazy(&config, "test").unwrap();
    let tenant = TenantId::new();
    let mut first = db.tenant_tx(tenant).await.unwrap();
    assert_eq!(
        claim(first.conn(), tenant, PLACE, "r-1", &BODY)
            .await
            .unwrap(),
        Claim::Fresh
    );

    let error = place(&db, tenant, b"never").await.unwrap_err();

    assert!(
        matches!(error, DbError::SerializationFailure(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_answer_without_a_claim_is_an_error() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();
    let mut tx = db.tenant_tx(tenant).await.unwrap();

    let error = complete(tx.conn(), tenant, PLACE, "r-1", b"order 1")
        .await
        .unwrap_err();

    assert!(matches!(error, DbError::Query(_)), "{error:?}");
}

#[tokio::test]
async fn pruning_deletes_old_keys_of_all_tenants_and_keeps_new_ones() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let (old, new) = ([TenantId::new(), TenantId::new()], TenantId::new());
    for tenant in [old[0], old[1], new] {
        place(&db, tenant, b"order").await.unwrap();
    }
    sqlx::query(
        "update platform.idempotency_keys set created_at = now() - interval '8 days'
         where tenant_id <> $1",
    )
    .bind(new.as_uuid())
    .execute(&mut test.admin().await)
    .await
    .unwrap();

    let mut tx = db.system_tx().await.unwrap();
    let week_ago = OffsetDateTime::now_utc() - Duration::days(7);
    let pruned = prune(tx.conn(), week_ago).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(pruned, 2);
    assert_eq!(
        place(&db, new, b"never").await.unwrap(),
        Claim::Replay(b"order".to_vec())
    );
}

async fn wait_for_a_blocked_session(test: &tradepost_testkit::TestDatabase) {
    let mut admin = test.admin().await;
    let within = std::time::Duration::from_secs(30);
    tradepost_testkit::eventually("a session that waits for a lock", within, async || {
        let blocked: bool = sqlx::query_scalar(
            "select exists (
                 select from pg_stat_activity
                 where datname = current_database() and wait_event_type = 'Lock')",
        )
        .fetch_one(&mut admin)
        .await
        .ok()?;
        blocked.then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_request_of_a_batch_gets_its_own_answer() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();
    place(&db, tenant, b"order 1").await.unwrap();
    let request = |id, fingerprint, answer: &[u8]| Request {
        id,
        fingerprint,
        answer: answer.to_vec(),
    };
    let batch = [
        request("r-3", &BODY, b"order 3"),
        request("r-1", &BODY, b"order 4"),
        request("r-2", &BODY, b"order 2"),
        request("r-1", &[2; 32], b"order 5"),
        // Twins in one batch, of which the first one wins, and one that only looks like them.
        request("r-3", &BODY, b"order 6"),
        request("r-3", &[2; 32], b"order 7"),
    ];

    let mut tx = db.tenant_tx(tenant).await.unwrap();
    let claims = claim_all(tx.conn(), tenant, PLACE, &batch).await.unwrap();
    tx.commit().await.unwrap();

    let replay = |answer: &[u8]| Claim::Replay(answer.to_vec());
    assert_eq!(
        claims,
        [
            Claim::Fresh,
            replay(b"order 1"),
            Claim::Fresh,
            Claim::Mismatch,
            replay(b"order 3"),
            Claim::Mismatch,
        ]
    );
}

#[tokio::test]
async fn answers_of_a_batch_are_recorded_together_and_only_after_their_claims() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();
    let request = |id| Request {
        id,
        fingerprint: &BODY,
        answer: Vec::new(),
    };
    let batch = [request("r-2"), request("r-1")];
    let answers = [("r-1", b"one".to_vec()), ("r-2", b"two".to_vec())];

    let mut tx = db.tenant_tx(tenant).await.unwrap();
    let unclaimed = complete_all(tx.conn(), tenant, PLACE, &answers).await;
    tx.rollback().await;
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    claim_all(tx.conn(), tenant, PLACE, &batch).await.unwrap();
    complete_all(tx.conn(), tenant, PLACE, &answers)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    let again = claim_all(tx.conn(), tenant, PLACE, &batch).await.unwrap();
    tx.commit().await.unwrap();

    assert!(matches!(unclaimed, Err(DbError::Query(_))));
    let replay = |answer: &[u8]| Claim::Replay(answer.to_vec());
    assert_eq!(again, [replay(b"two"), replay(b"one")]);
}
