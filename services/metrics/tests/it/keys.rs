//! Batches that have a key in place of a number: once, with one content, for as long as it is known.

use std::sync::Arc;

use futures::future::join_all;
use sqlx::Executor;
use tonic::{Code, Request};
use tradepost_metrics::adapters::postgres::PgAnalytics;
use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::domain::BatchName;
use tradepost_metrics::ports::{Batch, EventStore, Outcome, UpkeepStore};
use tradepost_postgres::Database;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::ErrorDetails;
use tradepost_types::TenantId;

use crate::support::{Desk, Written, batch, keyed, message, now_ms, reason, send};

const WRITE: &[&str] = &["events:write"];
const STORED: Outcome = Outcome::Stored {
    overflowed: 0,
    quarantined: 0,
};

/// A batch with a key; what it holds has the fingerprint `content`.
fn named(tenant: TenantId, key: u8, content: u8, events: &[Written<'_>]) -> Arc<Batch> {
    let mut batch = (*batch(tenant, 1, events)).clone();
    batch.name = BatchName::Keyed {
        key: [key; 32],
        content: [content; 32],
    };
    Arc::new(batch)
}

fn sent(request: &mut pb::IngestEventsRequest) -> &mut pb::EventBatch {
    match &mut request.batch {
        Some(pb::ingest_events_request::Batch::Events(batch)) => batch,
        _ => panic!("it is readable"),
    }
}

#[tokio::test]
async fn a_batch_with_a_key_is_stored_and_the_same_again_is_a_duplicate_without_a_number() {
    let desk = Desk::open().await;
    let at_ms = now_ms();
    let mixed = [(at_ms, "a", "ada", 1.0), (at_ms, "Bad", "", 2.0)];
    let batches = vec![
        keyed("k 1", &mixed),
        keyed("k 1", &mixed),
        keyed("k 2", &mixed),
    ];

    let (receipts, ended) = send(desk.client(desk.tenant, WRITE), batches.clone()).await;
    let (later, _) = send(desk.client(desk.tenant, WRITE), batches[..1].to_vec()).await;
    let other = TenantId::new();
    let (of_other, _) = send(desk.client(other, WRITE), batches[..1].to_vec()).await;

    ended.unwrap();
    let told: Vec<_> = receipts
        .iter()
        .chain(&later)
        .chain(&of_other)
        .map(|told| (told.sequence, told.duplicate, told.accepted, told.rejected))
        .collect();
    let (stored, duplicate) = ((0, false, 1, 1), (0, true, 0, 0));
    assert_eq!(told, [stored, duplicate, stored, duplicate, stored]);
    desk.assert_sound(3).await;
}

#[tokio::test]
async fn a_key_that_comes_with_other_events_is_refused_and_nothing_of_it_is_stored() {
    let desk = Desk::open().await;
    let at_ms = now_ms();
    let first = [(at_ms, "a", "ada", 1.0), (at_ms, "b", "bob", 2.0)];
    let (_, ended) = send(desk.client(desk.tenant, WRITE), vec![keyed("k", &first)]).await;
    ended.unwrap();

    let others: [&[Written<'_>]; 5] = [
        &[(at_ms, "a", "ada", 1.5), first[1]],
        &[(at_ms + 1, "a", "ada", 1.0), first[1]],
        &[first[1], first[0]],
        &first[..1],
        // The same letters, cut elsewhere.
        &[(at_ms, "da", "aa", 1.0), first[1]],
    ];
    for other in others {
        let batches = vec![message(7, &first[..1]), keyed("k", other)];
        let (receipts, refused) = send(desk.client(desk.tenant, WRITE), batches).await;
        let refused = refused.unwrap_err();
        assert_eq!(receipts.len(), 1, "what was before it has its receipt");
        assert_eq!(refused.code(), Code::InvalidArgument);
        let details = ErrorDetails::from_status(&refused);
        assert_eq!(details.reason, "REQUEST_ID_REUSED");
    }
    desk.assert_sound(3).await;
}

#[tokio::test]
async fn a_reused_key_does_not_harm_its_neighbours_in_the_transaction() {
    let desk = Desk::open().await;
    let event = [(now_ms(), "a", "ada", 1.0)];
    let earlier = named(desk.tenant, 1, 1, &event);
    let alone = std::slice::from_ref(&earlier);
    desk.store.store(alone).await.unwrap();

    let group = [
        batch(desk.tenant, 1, &event),
        named(desk.tenant, 1, 2, &event),
        named(desk.tenant, 2, 1, &event),
        named(desk.tenant, 2, 2, &event),
        named(desk.tenant, 2, 1, &event),
        earlier,
        named(TenantId::new(), 1, 2, &event),
    ];
    let outcomes = desk.store.store(&group).await.unwrap();

    let wanted = [
        STORED,
        Outcome::KeyReused,
        STORED,
        Outcome::KeyReused,
        Outcome::Duplicate,
        Outcome::Duplicate,
        STORED,
    ];
    assert_eq!(outcomes, wanted);
    desk.assert_sound(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_copies_with_a_key_that_race_over_connections_one_counts() {
    let desk = Desk::open().await;
    let elsewhere = Database::connect_lazy(&desk.test_database.config(), "elsewhere").unwrap();
    let elsewhere = PgAnalytics::new(elsewhere, AnalyticsConfig::default().store());
    let event = [(now_ms(), "a", "ada", 1.0)];
    for round in 0..10 {
        let (one, other) = (round * 2, round * 2 + 1);
        let copy = |key| named(desk.tenant, key, 1, &event);
        let groups = [[copy(one), copy(other)], [copy(other), copy(one)]];

        let (here, there) = tokio::join!(
            join_all(groups.iter().map(|group| desk.store.store(group))),
            join_all(groups.iter().map(|group| elsewhere.store(group))),
        );

        let answers = here.into_iter().chain(there).flat_map(Result::unwrap);
        let outcomes: Vec<Outcome> = answers.collect();
        let count = |wanted| {
            outcomes
                .iter()
                .filter(|&&outcome| outcome == wanted)
                .count()
        };
        assert_eq!((count(STORED), count(Outcome::Duplicate)), (2, 6));
    }
    desk.assert_sound(20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_contents_that_race_for_a_key_one_counts_and_the_others_are_refused() {
    let desk = Desk::open().await;
    for round in 0..10 {
        let contents: Vec<_> = (0..6)
            .map(|content| {
                let event = [(now_ms(), "a", "ada", f64::from(content))];
                [named(desk.tenant, round, content, &event)]
            })
            .collect();

        let answers = join_all(contents.iter().map(|group| desk.store.store(group))).await;

        let outcomes: Vec<Outcome> = answers.into_iter().flat_map(Result::unwrap).collect();
        let count = |wanted| {
            outcomes
                .iter()
                .filter(|&&outcome| outcome == wanted)
                .count()
        };
        assert_eq!((count(STORED), count(Outcome::KeyReused)), (1, 5));
    }
    desk.assert_sound(10).await;
}

#[tokio::test]
async fn a_key_is_known_for_as_long_as_promised_and_then_forgotten_without_a_trace() {
    let desk = Desk::with(AnalyticsConfig {
        ledger_kept_days: 7,
        ..AnalyticsConfig::default()
    })
    .await;
    let event = [(now_ms(), "a", "ada", 1.0)];
    let keys = [
        named(desk.tenant, 1, 1, &event),
        named(desk.tenant, 2, 1, &event),
    ];
    desk.store.store(&keys).await.unwrap();
    let mut admin = desk.test_database.admin().await;
    let age = "update batch_ledger set stored_at = now() - case
                   when producer_id like '~01%' then interval '6 days 23 hours'
                   else interval '7 days 1 second' end";
    admin.execute(age).await.unwrap();

    let forgotten = desk.store.forget(1_000).await.unwrap();
    let again = desk.store.store(&keys).await.unwrap();

    assert_eq!(forgotten, 1);
    assert_eq!(again, [Outcome::Duplicate, STORED]);
    let noted: i64 = sqlx::query_scalar("select count(*) from producers")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(noted, 0);
    desk.assert_sound(3).await;
}

#[tokio::test]
async fn a_key_beside_a_number_or_out_of_bounds_is_refused() {
    let desk = Desk::open().await;
    let event = [(now_ms(), "a", "", 1.0)];
    let mut with_producer = keyed("k", &event);
    sent(&mut with_producer).producer_id = "web-1".to_owned();
    let mut with_sequence = keyed("k", &event);
    sent(&mut with_sequence).sequence = 1;
    let bad = [
        with_producer,
        with_sequence,
        keyed(&"k".repeat(256), &event),
        keyed("k\n", &event),
        keyed("clé", &event),
    ];

    for request in bad {
        let (_, refused) = send(desk.client(desk.tenant, WRITE), vec![request]).await;
        assert_eq!(reason(&refused.unwrap_err()), "INVALID_FIELD");
    }
    let longest = vec![keyed(&"~".repeat(255), &event)];
    let (receipts, ended) = send(desk.client(desk.tenant, WRITE), longest).await;

    ended.unwrap();
    assert_eq!(receipts[0].accepted, 1);
    desk.assert_sound(1).await;
}

#[tokio::test]
async fn live_counting_takes_no_key() {
    let desk = Desk::open().await;
    let mut request = keyed("k", &[(now_ms(), "a", "", 1.0)]);
    let batch = sent(&mut request).clone();
    let request = pb::ProcessEventsRequest {
        batch: Some(pb::process_events_request::Batch::Events(batch)),
    };

    let mut client = desk.live_client(desk.tenant, WRITE);
    let stream = Request::new(futures::stream::iter([request]));
    let mut answers = client.process_events(stream).await.unwrap().into_inner();
    let refused = answers.message().await.unwrap_err();

    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(reason(&refused), "INVALID_FIELD");
}
