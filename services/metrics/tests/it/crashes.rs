//! The process dies anywhere; what is sent again gives exact totals.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tradepost_proto::metrics::v1 as pb;
use tradepost_testkit::{TestDatabase, eventually};
use tradepost_types::TenantId;

use crate::support::{Client, Machine, SOON, assert_sound, fresh_database, message, now_ms, send};

/// More passes than it takes to store a few batches.
const HITS_MAX: u32 = 40;
const BATCHES: u64 = 3;
const EVENTS: u64 = 3;

fn batches() -> Vec<pb::IngestEventsRequest> {
    let at_ms = now_ms();
    let events = [
        (at_ms, "page.viewed", "ada", 1.0),
        (at_ms - 60_000, "order.placed", "bob", 2.0),
        (at_ms - 3 * 86_400_000, "page.viewed", "", 3.0),
    ];
    (1..=BATCHES)
        .map(|sequence| message(sequence, &events))
        .collect()
}

/// The receipts of batches sent one by one, until the process is gone.
async fn send_until_gone(client: Client, batches: &[pb::IngestEventsRequest]) -> Vec<u64> {
    let mut acknowledged = Vec::new();
    for batch in batches {
        let (receipts, ended) = send(client.clone(), vec![batch.clone()]).await;
        acknowledged.extend(receipts.iter().map(|receipt| receipt.sequence));
        if ended.is_err() {
            break;
        }
    }
    acknowledged
}

/// Sends all of it again to a process that lives; what was acknowledged must be known.
async fn resend(
    database: &TestDatabase,
    tenant: TenantId,
    batches: &[pb::IngestEventsRequest],
    acknowledged: &[u64],
) {
    let machine = Machine::start(database, None).await;
    let (receipts, ended) = send(machine.client(tenant), batches.to_vec()).await;
    ended.unwrap();
    assert_eq!(receipts.len(), batches.len());
    for receipt in &receipts {
        if acknowledged.contains(&receipt.sequence) {
            assert!(
                receipt.duplicate,
                "{} was acknowledged and lost",
                receipt.sequence
            );
        }
    }
}

async fn dies_everywhere(point: &str) {
    let batches = batches();
    let mut deaths = 0;
    for hit in 1..HITS_MAX {
        let (database, tenant) = (fresh_database().await, TenantId::new());
        let mut machine = Machine::start(&database, Some((point, hit))).await;
        // It may die before it serves.
        let up = eventually("a process that serves, or none", SOON, async || {
            if machine.process.ended().is_some() {
                return Some(false);
            }
            let host = machine.url.trim_start_matches("http://");
            let up = tokio::net::TcpStream::connect(host).await.is_ok()
                && machine.process.log().contains("process.started");
            up.then_some(true)
        })
        .await;
        let acknowledged = if up {
            send_until_gone(machine.client(tenant), &batches).await
        } else {
            Vec::new()
        };
        let all = acknowledged.len() == batches.len();
        if !all {
            machine.process.wait(SOON).await;
            deaths += 1;
        }
        drop(machine);

        resend(&database, tenant, &batches, &acknowledged).await;

        assert_sound(&mut database.admin().await, BATCHES * EVENTS).await;
        if all {
            assert!(deaths > 0, "it never passed {point}");
            return;
        }
    }
    panic!("{point} is passed without end");
}

#[tokio::test]
async fn it_may_die_behind_the_ledger() {
    dies_everywhere("metrics.after_ledger").await;
}

#[tokio::test]
async fn it_may_die_between_events_and_rollups() {
    dies_everywhere("metrics.after_events").await;
}

#[tokio::test]
async fn it_may_die_before_the_commit() {
    dies_everywhere("postgres.before_commit").await;
}

#[tokio::test]
async fn it_may_die_between_the_commit_and_the_receipt() {
    dies_everywhere("postgres.after_commit").await;
}

#[tokio::test]
async fn killed_amid_a_stream_it_has_lost_nothing_that_it_acknowledged() {
    let (database, tenant) = (fresh_database().await, TenantId::new());
    let at_ms = now_ms();
    let batches: Vec<_> = (1..=400_u64)
        .map(|sequence| {
            message(
                sequence,
                &[(at_ms, "a", "ada", 1.0), (at_ms - 5_000, "b", "bob", 2.0)],
            )
        })
        .collect();
    let mut acknowledged = Vec::new();
    for stop_after in [20, 90, 1] {
        let mut machine = Machine::start(&database, None).await;
        let (sender, sent) = mpsc::channel(16);
        let request = Request::new(ReceiverStream::new(sent));
        let mut client = machine.client(tenant);
        let stream = batches.clone();
        let sending = tokio::spawn(async move {
            for batch in stream {
                if sender.send(batch).await.is_err() {
                    return;
                }
            }
        });
        let mut answers = client.ingest_events(request).await.unwrap().into_inner();
        for _ in 0..stop_after {
            let receipt = answers.message().await.unwrap().unwrap().receipt.unwrap();
            acknowledged.push(receipt.sequence);
        }
        machine.process.kill();
        while let Ok(Some(answer)) = answers.message().await {
            acknowledged.push(answer.receipt.unwrap().sequence);
        }
        sending.abort();
    }

    resend(&database, tenant, &batches, &acknowledged).await;

    assert_sound(&mut database.admin().await, 800).await;
}

#[tokio::test]
async fn at_the_signal_it_ends_in_order() {
    let (database, tenant) = (fresh_database().await, TenantId::new());
    let mut machine = Machine::start(&database, None).await;
    let (sender, sent) = mpsc::channel(16);
    sender
        .send(message(1, &[(now_ms(), "a", "", 1.0)]))
        .await
        .unwrap();
    let request = Request::new(ReceiverStream::new(sent));
    let mut client = machine.client(tenant);
    let mut answers = client.ingest_events(request).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap();

    // The stream is still open.
    machine.process.terminate();
    let status = machine.process.wait(SOON).await;

    assert!(status.success(), "{status}");
    assert_sound(&mut database.admin().await, 1).await;
}
