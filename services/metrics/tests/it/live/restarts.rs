//! What survives the process: all that was acknowledged when it is told to stop, and what receipts
//! called durable when it is killed.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tradepost_proto::metrics::v1 as pb;
use tradepost_types::TenantId;

use super::support::{Client, Machine, Snapshot, ask, packed, send, total};
use crate::support::{fresh_database, reason};

const BATCH: u64 = 50;
/// Batches that a producer sends ahead of its last receipt.
const AHEAD: usize = 20;
/// Longer than the grace of a process that is told to stop: one that does not end by itself says so.
const STOP_MAX: Duration = Duration::from_secs(60);

fn numbered(producer: &str, sequence: u64) -> pb::ProcessEventsRequest {
    packed(producer, sequence, &[1.0; 50])
}

/// Sends batch after batch until the stream breaks, as a producer does: so many ahead of its last
/// receipt and no more. The last receipt; `told` gets each.
async fn send_for_ever(
    mut client: Client,
    producer: &'static str,
    told: mpsc::UnboundedSender<pb::ProcessEventsResponse>,
) -> pb::ProcessEventsResponse {
    let (feed, batches) = mpsc::channel(AHEAD);
    let ahead = u64::try_from(AHEAD).unwrap();
    for sequence in 1..=ahead {
        feed.try_send(numbered(producer, sequence)).unwrap();
    }
    let mut last = pb::ProcessEventsResponse::default();
    let request = Request::new(ReceiverStream::new(batches));
    let Ok(answers) = client.process_events(request).await else {
        return last;
    };
    let mut answers = answers.into_inner();
    while let Ok(Some(answer)) = answers.message().await {
        let _broken = feed
            .send(numbered(producer, sequence(&answer) + ahead))
            .await;
        last = answer;
        let _nobody_listens = told.send(last.clone());
    }
    last
}

fn sequence(answer: &pb::ProcessEventsResponse) -> u64 {
    answer
        .receipt
        .as_ref()
        .map_or(0, |receipt| receipt.sequence)
}

#[tokio::test]
async fn a_stop_under_load_is_quick_and_loses_nothing_that_was_acknowledged() {
    let (database, snapshot, tenant) = (fresh_database().await, Snapshot::new(), TenantId::new());
    let mut machine = Machine::start(&database, &snapshot).await;
    let (told, mut receipts) = mpsc::unbounded_channel();
    let producers = ["one", "two", "three"];
    let sending: Vec<_> = producers
        .map(|producer| {
            let client = machine.client(tenant);
            tokio::spawn(send_for_ever(client, producer, told.clone()))
        })
        .into();
    // A caller that holds a stream open and says nothing must not hold up the end.
    let mut silent = machine.client(tenant);
    let silent = silent
        .process_events(Request::new(futures::stream::pending()))
        .await
        .unwrap();
    for _ in 0..300 {
        receipts.recv().await.unwrap();
    }

    machine.process.terminate();
    let status = machine.process.wait(STOP_MAX).await;

    assert!(status.success(), "{status}");
    drop(silent);
    let mut acknowledged = Vec::new();
    for sending in sending {
        acknowledged.push(sequence(&sending.await.unwrap()));
    }
    let machine = Machine::start(&database, &snapshot).await;
    let mut client = machine.client(tenant);
    let counted = total(&mut client).await;
    let sum: u64 = acknowledged.iter().sum();
    assert!(counted >= sum * BATCH, "{counted} events of {sum} batches");
    // What was counted but not acknowledged is sent again, as nobody knows.
    for (producer, last) in producers.iter().zip(&acknowledged) {
        let again = (1..=last + 100)
            .map(|sequence| numbered(producer, sequence))
            .collect();
        send(&mut client, again).await.1.unwrap();
    }
    assert_eq!(total(&mut client).await, (sum + 300) * BATCH);
}

#[tokio::test]
async fn a_kill_loses_no_more_than_what_receipts_did_not_call_durable() {
    let (database, snapshot, tenant) = (fresh_database().await, Snapshot::new(), TenantId::new());
    let mut machine = Machine::start(&database, &snapshot).await;
    let (told, mut receipts) = mpsc::unbounded_channel();
    let sending = tokio::spawn(send_for_ever(machine.client(tenant), "one", told));
    let mut durable = 0;
    while durable == 0 {
        durable = receipts.recv().await.unwrap().durable_sequence;
    }

    machine.process.kill();

    let last = sending.await.unwrap();
    let durable = last.durable_sequence.max(durable);
    let mut machine = Machine::start(&database, &snapshot).await;
    let mut client = machine.client(tenant);
    assert!(total(&mut client).await >= durable * BATCH);
    let completeness = ask(&mut client).await.completeness.unwrap();
    assert!(!completeness.complete, "something may be missing");
    // The producer kept what was not durable, and sends it again: what it has receipts for, and
    // what was under way.
    let last = sequence(&last) + u64::try_from(AHEAD).unwrap();
    let again = (durable + 1..=last).map(|sequence| numbered("one", sequence));
    send(&mut client, again.collect()).await.1.unwrap();
    assert_eq!(total(&mut client).await, last * BATCH);
    machine.process.terminate();
    assert!(machine.process.wait(STOP_MAX).await.success());
}

#[tokio::test]
async fn a_damaged_snapshot_is_set_aside_and_said() {
    let (database, snapshot, tenant) = (fresh_database().await, Snapshot::new(), TenantId::new());
    std::fs::create_dir_all(snapshot.path.parent().unwrap()).unwrap();
    std::fs::write(&snapshot.path, b"not a snapshot").unwrap();

    let machine = Machine::start(&database, &snapshot).await;

    let mut client = machine.client(tenant);
    assert_eq!(total(&mut client).await, 0);
    assert!(machine.process.log().contains("live.snapshot_damaged"));
    let aside = std::fs::read(snapshot.path.with_extension("damaged")).unwrap();
    assert_eq!(aside, b"not a snapshot");
}

#[tokio::test]
async fn a_stream_is_told_that_the_process_ends() {
    let (database, snapshot, tenant) = (fresh_database().await, Snapshot::new(), TenantId::new());
    let mut machine = Machine::start(&database, &snapshot).await;
    let (feed, batches) = mpsc::channel(1);
    feed.send(numbered("one", 1)).await.unwrap();
    let request = Request::new(ReceiverStream::new(batches));
    let answers = machine
        .client(tenant)
        .process_events(request)
        .await
        .unwrap();
    let mut answers = answers.into_inner();
    assert_eq!(sequence(&answers.message().await.unwrap().unwrap()), 1);

    machine.process.terminate();

    assert_eq!(reason(&answers.message().await.unwrap_err()), "DRAINING");
    assert!(machine.process.wait(STOP_MAX).await.success());
}
