//! The stream of batches: receipts in order, refusals, overload, the end of the process.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status};
use tradepost_metrics::adapters::grpc::analytics::RULES;
use tradepost_metrics::application::Refused;
use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::ports::Outcome;
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::analytics_service_server::AnalyticsServiceServer;
use tradepost_service::error::ErrorDetails;
use tradepost_testkit::{assert_guarded, eventually};
use tradepost_types::TenantId;

use crate::support::{Desk, SOON, batch, message, now_ms, reason, send};

const WRITE: &[&str] = &["events:write"];

#[tokio::test]
async fn every_method_opens_to_its_right_in_a_believed_token_and_to_nothing_else() {
    let desk = Desk::open().await;
    let service = AnalyticsServiceServer::new(desk.api);

    assert_guarded("metrics", service, FILE_DESCRIPTOR_SET, &RULES).await;
}

#[tokio::test]
async fn receipts_come_in_order_and_say_what_became_of_each_event() {
    let desk = Desk::open().await;
    let at_ms = now_ms();
    let mixed = [
        (at_ms, "a", "ada", 1.0),
        (at_ms, "Bad", "", 2.0),
        (0, "a", "", 3.0),
    ];
    let batches = vec![
        message(1, &mixed[..1]),
        message(2, &mixed),
        message(1, &mixed[..1]),
        message(3, &mixed[1..]),
    ];

    let (receipts, ended) = send(desk.client(desk.tenant, WRITE), batches).await;

    ended.unwrap();
    let told: Vec<_> = receipts
        .iter()
        .map(|told| (told.sequence, told.duplicate, told.accepted, told.rejected))
        .collect();
    let wanted = [
        (1, false, 1, 0),
        (2, false, 1, 2),
        (1, true, 0, 0),
        (3, false, 0, 2),
    ];
    assert_eq!(told, wanted);
    let reasons: Vec<_> = receipts[1]
        .rejections
        .iter()
        .map(|rejection| (rejection.index, rejection.reason()))
        .collect();
    let wanted = [
        (1, pb::RejectionReason::EventTypeInvalid),
        (2, pb::RejectionReason::TooOld),
    ];
    assert_eq!(reasons, wanted);
    desk.assert_sound(2).await;
}

#[tokio::test]
async fn a_batch_for_another_tenant_ends_the_stream_behind_the_receipts_before_it() {
    let desk = Desk::open().await;
    let mut foreign = message(2, &[(now_ms(), "a", "", 1.0)]);
    if let Some(pb::ingest_events_request::Batch::Events(batch)) = &mut foreign.batch {
        batch.tenant_id = TenantId::new().to_string();
    }
    let own = |number| message(number, &[(now_ms(), "a", "", 1.0)]);

    let batches = vec![own(1), foreign.clone(), own(3)];
    let (receipts, ended) = send(desk.client(desk.tenant, WRITE), batches).await;
    let platform = desk.client(desk.tenant, &["events:write", "events:write_any"]);
    let (of_platform, let_in) = send(platform, vec![foreign]).await;

    assert_eq!(receipts.len(), 1);
    assert_eq!(reason(&ended.unwrap_err()), "TENANT_FORBIDDEN");
    assert_eq!(of_platform.len(), 1);
    let_in.unwrap();
}

#[tokio::test]
async fn half_of_the_streams_are_left_to_others_than_one_tenant_and_all_have_an_end() {
    let desk = Desk::with(AnalyticsConfig {
        streams_max: 2,
        ..AnalyticsConfig::default()
    })
    .await;
    let mut greedy = desk.client(desk.tenant, WRITE);
    let mut other = desk.client(TenantId::new(), WRITE);
    let refusal = |refused: Status| {
        let details = ErrorDetails::from_status(&refused);
        assert!(details.retry_after.is_some());
        (details.code, details.reason)
    };
    let open = || {
        let (until_dropped, batches) = mpsc::channel(1);
        (until_dropped, Request::new(ReceiverStream::new(batches)))
    };
    let ((until, first), (_, second), (_until, of_other)) = (open(), open(), open());

    let first = greedy.ingest_events(first).await.unwrap();
    let second = greedy.ingest_events(second).await.unwrap_err();
    let of_other = other.ingest_events(of_other).await.unwrap();
    let third = desk.client(TenantId::new(), WRITE);
    let batches = vec![message(1, &[(now_ms(), "a", "", 1.0)])];
    let (_, full) = send(third.clone(), batches.clone()).await;

    let exhausted = |reason: &str| (Code::ResourceExhausted, reason.to_owned());
    assert_eq!(refusal(second), exhausted("TENANT_BUSY"));
    assert_eq!(refusal(full.unwrap_err()), exhausted("OVERLOADED"));
    drop(until);
    let receipts = eventually("a place is free again", SOON, async || {
        let (receipts, ended) = send(third.clone(), batches.clone()).await;
        ended.is_ok().then_some(receipts)
    })
    .await;
    assert_eq!(receipts.len(), 1);
    desk.assert_sound(1).await;
    drop((first, of_other));
}

#[tokio::test]
async fn a_batch_that_cannot_be_stored_does_not_harm_those_beside_it() {
    let (desk, stored) = beside_a_fault("P0001", &["ada", "poison", "bob", "eve"]).await;

    assert_eq!(stored, [true, false, true, true]);
    desk.assert_sound(3).await;
}

#[tokio::test]
async fn batches_that_take_too_long_together_are_stored_alone_until_two_did_not_get_through() {
    let users = ["ada", "poison", "bob", "poison", "eve"];

    let (desk, stored) = beside_a_fault("57014", &users).await;

    assert_eq!(stored, [true, false, true, false, false]);
    desk.assert_sound(2).await;
}

/// Which batches of a group are stored, where the database has that fault with those of `poison`.
async fn beside_a_fault(code: &str, users: &[&str]) -> (Desk, Vec<bool>) {
    let config = AnalyticsConfig {
        writers: 1,
        ..AnalyticsConfig::default()
    };
    let desk = Desk::with(config).await;
    let mut admin = desk.test_database.admin().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "create function poison() returns trigger language plpgsql as $$
         begin raise exception 'poisoned' using errcode = '{code}'; end $$;
         create trigger poison before insert on events for each row
             when (new.user_id = 'poison') execute function poison()"
    )))
    .execute(&mut admin)
    .await
    .unwrap();
    let at_ms = now_ms();
    let offer = |sequence, user| {
        let batch = batch(TenantId::new(), sequence, &[(at_ms, "a", user, 1.0)]);
        desk.api.ingest.offer((*batch).clone()).unwrap()
    };

    // Queued before the writer has a chance to begin: they are one group.
    let answers: Vec<_> = users
        .iter()
        .copied()
        .zip(1..)
        .map(|(user, sequence)| offer(sequence, user))
        .collect();
    let mut stored = Vec::new();
    for answer in answers {
        stored.push(answer.await.unwrap().is_ok());
    }
    (desk, stored)
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_refused_with_when_to_come_back() {
    let config = AnalyticsConfig {
        queue_events_max: 2,
        ..AnalyticsConfig::default()
    };
    let desk = Desk::with(config).await;
    let event = (now_ms(), "a", "", 1.0);
    let large = vec![message(1, &[event; 3])];
    let small = vec![message(1, &[event; 2])];

    let (_, refused) = send(desk.client(desk.tenant, WRITE), large).await;
    // What was stored gives its room back.
    for sequence in [1, 2, 3] {
        let mut batches = small.clone();
        if let Some(pb::ingest_events_request::Batch::Events(batch)) = &mut batches[0].batch {
            batch.sequence = sequence;
        }
        let (receipts, ended) = send(desk.client(desk.tenant, WRITE), batches).await;
        ended.unwrap();
        assert_eq!(receipts[0].accepted, 2);
    }

    let refused = refused.unwrap_err();
    let details = ErrorDetails::from_status(&refused);
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(details.reason, "OVERLOADED");
    assert!(details.retry_after.is_some());
    desk.assert_sound(6).await;
}

#[tokio::test]
async fn half_of_a_lane_is_left_to_others_than_one_tenant() {
    let config = AnalyticsConfig {
        writers: 1,
        queue_batches_max: 4,
        ..AnalyticsConfig::default()
    };
    let desk = Desk::with(config).await;
    let event = (now_ms(), "a", "", 1.0);
    let offer = |tenant, sequence| {
        let batch = batch(tenant, sequence, &[event]);
        desk.api.ingest.offer((*batch).clone())
    };

    // All of it before the writer has a chance to begin.
    let taken = [offer(desk.tenant, 1), offer(desk.tenant, 2)].map(Result::unwrap);
    let refused = offer(desk.tenant, 3);
    let beside = [offer(TenantId::new(), 1), offer(TenantId::new(), 1)].map(Result::unwrap);
    let full = offer(TenantId::new(), 1);

    assert_eq!(refused.err(), Some(Refused::TenantFull));
    assert_eq!(full.err(), Some(Refused::Full));
    for stored in taken.into_iter().chain(beside) {
        assert!(stored.await.unwrap().is_ok());
    }
    // What was stored gives its room back.
    offer(desk.tenant, 3).unwrap().await.unwrap().unwrap();
    desk.assert_sound(5).await;
}

#[tokio::test]
async fn a_stream_that_is_as_old_as_it_may_be_answers_what_it_took_and_ends() {
    let config = AnalyticsConfig {
        stream_seconds_max: 1,
        ..AnalyticsConfig::default()
    };
    let desk = Desk::with(config).await;
    let (sender, batches) = mpsc::channel(8);
    let mut client = desk.client(desk.tenant, WRITE);
    sender
        .send(message(1, &[(now_ms(), "a", "", 1.0)]))
        .await
        .unwrap();

    let request = Request::new(ReceiverStream::new(batches));
    let mut answers = client.ingest_events(request).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    let ended = answers.message().await.unwrap_err();

    assert_eq!(
        (ended.code(), reason(&ended).as_str()),
        (Code::Unavailable, "STREAM_EXPIRED")
    );
    drop(sender);
}

#[tokio::test]
async fn a_process_that_ends_answers_what_it_took_and_takes_no_more() {
    let desk = Desk::open().await;
    let (sender, batches) = mpsc::channel(8);
    let mut client = desk.client(desk.tenant, WRITE);
    let event = (now_ms(), "a", "", 1.0);
    sender.send(message(1, &[event])).await.unwrap();
    let request = Request::new(ReceiverStream::new(batches));
    let mut answers = client.ingest_events(request).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();
    let waiting = batch(desk.tenant, 2, &[event]);
    let waiting = desk.api.ingest.offer((*waiting).clone()).unwrap();

    desk.shutdown.cancel();

    let ended = answers.message().await.unwrap_err();
    assert_eq!(
        (ended.code(), reason(&ended).as_str()),
        (Code::Unavailable, "DRAINING")
    );
    assert!(matches!(waiting.await.unwrap(), Ok(Outcome::Stored { .. })));
    desk.api.ingest.ended().await;
    let late = batch(desk.tenant, 3, &[event]);
    assert!(matches!(
        desk.api.ingest.offer((*late).clone()),
        Err(Refused::Draining)
    ));
    drop(sender);
    desk.assert_sound(2).await;
}

#[tokio::test]
async fn a_database_that_is_away_is_told_as_such_and_the_batch_can_be_sent_again() {
    let desk = Desk::open().await;
    let name = desk.test_database.name().to_owned();
    let mut admin = desk.test_database.admin().await;
    let shut = format!(
        "alter database {name} connection limit 0;
         select pg_terminate_backend(pid) from pg_stat_activity
         where datname = '{name}' and pid <> pg_backend_pid()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(shut))
        .execute(&mut admin)
        .await
        .unwrap();
    let batches = vec![message(1, &[(now_ms(), "a", "", 1.0)])];

    let (_, refused) = send(desk.client(desk.tenant, WRITE), batches.clone()).await;
    let open = format!("alter database {name} connection limit -1");
    sqlx::raw_sql(sqlx::AssertSqlSafe(open))
        .execute(&mut admin)
        .await
        .unwrap();
    let (receipts, ended) = send(desk.client(desk.tenant, WRITE), batches).await;

    assert_eq!(reason(&refused.unwrap_err()), "STORE_UNAVAILABLE");
    ended.unwrap();
    assert_eq!(receipts[0].accepted, 1);
    desk.assert_sound(1).await;
}
