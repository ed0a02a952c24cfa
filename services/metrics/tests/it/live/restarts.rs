//! What survives the process: all that was acknowledged when it is told to stop, and what receipts
//! called durable when it is killed.

use std::time::Duration;

use futures::StreamExt;
use tokio::sync::mpsc;
use tonic::Request;
use tradepost_proto::metrics::v1 as pb;
use tradepost_types::TenantId;

use super::support::{Client, Machine, Snapshot, ask, packed, send, total};
use crate::support::{fresh_database, reason};

const BATCH: u64 = 50;
/// A process that is told to stop has so long.
const STOP_MAX: Duration = Duration::from_secs(5);

fn numbered(producer: &str, sequence: u64) -> pb::ProcessEventsRequest {
    packed(producer, sequence, &[1.0; 50])
}

/// Sends batch after batch until the stream breaks; the last receipt, and how it broke. `told` gets
/// each receipt.
async fn send_for_ever(
    mut client: Client,
    producer: String,
    told: mpsc::UnboundedSender<pb::ProcessEventsResponse>,
) -> (pb::ProcessEventsResponse, tonic::Status) {
    let name = producer.clone();
    let batches = futures::stream::iter(1..).map(move |sequence| numbered(&name, sequence));
    let mut last = pb::ProcessEventsResponse::default();
    let mut answers = match client.process_events(Request::new(batches)).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return (last, status),
    };
    loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                last = answer;
                let _nobody_listens = told.send(last.clone());
            }
            Ok(None) => return (last, tonic::Status::ok("ended")),
            Err(status) => return (last, status),
        }
    }
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
            tokio::spawn(send_for_ever(client, producer.to_owned(), told.clone()))
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
        acknowledged.push(sequence(&sending.await.unwrap().0));
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
    let sending = tokio::spawn(send_for_ever(
        machine.client(tenant),
        "one".to_owned(),
        told,
    ));
    let mut durable = 0;
    while durable == 0 {
        durable = receipts.recv().await.unwrap().durable_sequence;
    }

    machine.process.kill();

    let (last, _broken) = sending.await.unwrap();
    let durable = last.durable_sequence.max(durable);
    let mut machine = Machine::start(&database, &snapshot).await;
    let mut client = machine.client(tenant);
    assert!(total(&mut client).await >= durable * BATCH);
    let completeness = ask(&mut client).await.completeness.unwrap();
    assert!(!completeness.complete, "something may be missing");
    // The producer kept what was not durable, and sends it again.
    let last = sequence(&last);
    let again = (durable + 1..=last)
        .map(|sequence| numbered("one", sequence))
        .collect();
    send(&mut client, again).await.1.unwrap();
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
async fn events_that_come_while_the_process_ends_are_told_so() {
    let (database, snapshot, tenant) = (fresh_database().await, Snapshot::new(), TenantId::new());
    let mut machine = Machine::start(&database, &snapshot).await;
    let (told, mut receipts) = mpsc::unbounded_channel();
    let sending = tokio::spawn(send_for_ever(
        machine.client(tenant),
        "one".to_owned(),
        told,
    ));
    receipts.recv().await.unwrap();

    machine.process.terminate();
    machine.process.wait(STOP_MAX).await;

    assert_eq!(reason(&sending.await.unwrap().1), "DRAINING");
}
