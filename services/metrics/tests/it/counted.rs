//! What is stored counts live, once.

use tradepost_proto::metrics::v1 as pb;
use tradepost_types::TenantId;

use crate::support::{DAY_MS, Desk, batch, keyed, message, now_ms, send};

const WRITE: &[&str] = &["events:write"];

/// What the node counts live, by event type: events, and the sum of their values.
async fn counted(desk: &Desk, tenant: TenantId) -> Vec<(String, u64, f64)> {
    let mut client = desk.live_client(tenant, &["metrics:read"]);
    let request = pb::GetAggregatesRequest {
        minutes: 60,
        ..pb::GetAggregatesRequest::default()
    };
    let answer = client.get_aggregates(request).await.unwrap().into_inner();
    let line = |line: pb::Aggregate| (line.event_type, line.count, line.sum);
    answer.aggregates.into_iter().map(line).collect()
}

fn line(event_type: &str, count: u64, sum: f64) -> (String, u64, f64) {
    (event_type.to_owned(), count, sum)
}

#[tokio::test]
async fn what_is_stored_is_in_the_live_aggregates_when_its_receipt_is_there() {
    let desk = Desk::open().await;
    let at_ms = now_ms();
    let events = [
        (at_ms, "a", "ada", 1.0),
        (at_ms, "a", "", 2.0),
        // After the late window, so in its minute only.
        (at_ms - 5 * 60_000, "b", "bob", 4.0),
        // Stored, and too old to be live.
        (at_ms - 2 * DAY_MS, "a", "ada", 8.0),
        // Refused.
        (at_ms, "Bad", "", 16.0),
    ];

    let batches = vec![message(1, &events), keyed("k", &events[..1])];
    let (receipts, ended) = send(desk.client(desk.tenant, WRITE), batches).await;

    ended.unwrap();
    assert_eq!((receipts[0].accepted, receipts[1].accepted), (4, 1));
    let wanted = [line("a", 3, 4.0), line("b", 1, 4.0)];
    assert_eq!(counted(&desk, desk.tenant).await, wanted);
    assert_eq!(counted(&desk, TenantId::new()).await, []);
    desk.assert_sound(5).await;
}

#[tokio::test]
async fn a_batch_that_was_stored_before_does_not_count_again() {
    let desk = Desk::open().await;
    let event = [(now_ms(), "a", "ada", 1.0)];
    let other = [(now_ms(), "a", "ada", 7.0)];
    let group = vec![message(1, &event), message(1, &event), keyed("k", &event)];
    let again = vec![message(1, &event), keyed("k", &event), keyed("k", &other)];

    for batches in [group, again] {
        let (_, _ended) = send(desk.client(desk.tenant, WRITE), batches).await;
    }
    // What another process has stored is not counted by this one when it is sent here again.
    let elsewhere = batch(desk.tenant, 2, &event);
    tradepost_metrics::ports::EventStore::store(&*desk.store, &[elsewhere])
        .await
        .unwrap();
    let (receipts, _) = send(desk.client(desk.tenant, WRITE), vec![message(2, &event)]).await;

    assert!(receipts[0].duplicate);
    assert_eq!(counted(&desk, desk.tenant).await, [line("a", 2, 2.0)]);
    desk.assert_sound(3).await;
}

#[tokio::test]
async fn batches_that_are_stored_in_any_order_all_count() {
    let desk = Desk::open().await;
    let event = [(now_ms(), "a", "ada", 1.0)];

    // Far more than live counting remembers of a producer, the newest first.
    let batches = (1..=1_500).rev().map(|number| message(number, &event));
    let (receipts, ended) = send(desk.client(desk.tenant, WRITE), batches.collect()).await;

    ended.unwrap();
    assert_eq!(receipts.len(), 1_500);
    let wanted = [line("a", 1_500, 1_500.0)];
    assert_eq!(counted(&desk, desk.tenant).await, wanted);
}

#[tokio::test]
async fn what_cannot_be_stored_does_not_count() {
    let desk = Desk::open().await;
    let mut admin = desk.test_database.admin().await;
    sqlx::raw_sql(
        "create function poison() returns trigger language plpgsql as $$
         begin raise exception 'poisoned'; end $$;
         create trigger poison before insert on events for each row
             when (new.user_id = 'poison') execute function poison()",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    let at_ms = now_ms();

    let batches = vec![
        message(1, &[(at_ms, "a", "ada", 1.0)]),
        message(2, &[(at_ms, "a", "poison", 2.0)]),
    ];
    let (receipts, ended) = send(desk.client(desk.tenant, WRITE), batches).await;

    assert_eq!(receipts.len(), 1);
    assert!(ended.is_err());
    assert_eq!(counted(&desk, desk.tenant).await, [line("a", 1, 1.0)]);
}
