//! Every fault has its reason and its place, and the two forms of a batch say the same.

use std::sync::Arc;

use proptest::prelude::*;
use tonic::Request;
use tradepost_service::auth::Caller;
use tradepost_service::error::ErrorDetails;
use tradepost_types::TenantId;

use super::*;
use crate::adapters::grpc::tenant::Reach;

const NOW_MS: i64 = 1_763_746_174_123;
const WINDOW: Window = Window {
    oldest_ms: NOW_MS - 86_400_000,
    newest_ms: NOW_MS + AHEAD_MS_MAX,
};

fn reach(tenant: TenantId) -> Reach {
    let mut request = Request::new(());
    let caller = Caller::of_tenant(tenant, "tester", &[]);
    request.extensions_mut().insert(Arc::new(caller));
    Reach::of(&request).unwrap()
}

fn event(at_ms: i64, event_type: &str, user_id: &str, value: f64) -> pb::Event {
    pb::Event {
        event_time: Some(Timestamp {
            seconds: at_ms.div_euclid(1_000),
            nanos: i32::try_from(at_ms.rem_euclid(1_000)).unwrap() * 1_000_000,
        }),
        user_id: user_id.to_owned(),
        event_type: event_type.to_owned(),
        value,
    }
}

fn readable(events: Vec<pb::Event>) -> pb::IngestEventsRequest {
    let batch = pb::EventBatch {
        tenant_id: String::new(),
        producer_id: "web-1".to_owned(),
        sequence: 7,
        events,
        batch_key: String::new(),
    };
    pb::IngestEventsRequest {
        batch: Some(pb::ingest_events_request::Batch::Events(batch)),
    }
}

/// Records of (milliseconds after, type, user, value).
fn packed(records: &[(u32, u32, u32, f64)]) -> pb::PackedBatch {
    let mut bytes = Vec::new();
    for (after_ms, event_type, user, value) in records {
        bytes.extend(after_ms.to_le_bytes());
        bytes.extend(event_type.to_le_bytes());
        bytes.extend(user.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    pb::PackedBatch {
        tenant_id: String::new(),
        producer_id: "web-1".to_owned(),
        sequence: 7,
        base_time_ms: NOW_MS - 10_000,
        event_types: vec!["page.viewed".to_owned(), "Bad".to_owned()],
        user_ids: vec!["ada".to_owned(), "x".repeat(USER_BYTES_MAX + 1)],
        records: bytes.into(),
    }
}

fn sent(batch: pb::PackedBatch) -> pb::IngestEventsRequest {
    pb::IngestEventsRequest {
        batch: Some(pb::ingest_events_request::Batch::Packed(batch)),
    }
}

fn told(parsed: &Parsed) -> Vec<(u32, Reason)> {
    let told = parsed.rejections.iter();
    told.map(|rejection| (rejection.index, rejection.reason()))
        .collect()
}

fn reason(refused: Result<Parsed, Status>) -> String {
    ErrorDetails::from_status(&refused.unwrap_err()).reason
}

/// Three good events, first and last, and ten that are not.
fn mixed() -> Vec<pb::Event> {
    let good = || event(NOW_MS, "page.viewed", "ada", 1.5);
    vec![
        good(),
        pb::Event {
            event_type: "Page".to_owned(),
            ..good()
        },
        pb::Event {
            user_id: "x".repeat(129),
            ..good()
        },
        pb::Event {
            user_id: "a\0b".to_owned(),
            ..good()
        },
        pb::Event {
            value: f64::NAN,
            ..good()
        },
        pb::Event {
            value: f64::INFINITY,
            ..good()
        },
        pb::Event {
            value: -VALUE_MAX.next_up(),
            ..good()
        },
        pb::Event {
            event_time: None,
            ..good()
        },
        pb::Event {
            event_time: Some(Timestamp {
                seconds: i64::MAX,
                nanos: 0,
            }),
            ..good()
        },
        pb::Event {
            event_time: Some(Timestamp {
                seconds: 0,
                nanos: -1,
            }),
            ..good()
        },
        event(WINDOW.oldest_ms - 1, "page.viewed", "", 1.0),
        event(WINDOW.newest_ms + 1, "page.viewed", "", 1.0),
        event(WINDOW.oldest_ms, "page.viewed", "", 1.0),
        event(WINDOW.newest_ms, "order.placed", "bob", -VALUE_MAX),
    ]
}

#[test]
fn bad_events_are_refused_one_by_one_and_the_good_ones_stay() {
    let events = mixed();

    let parsed = parse(readable(events), &reach(TenantId::new()), WINDOW).unwrap();

    let reasons = [
        Reason::EventTypeInvalid,
        Reason::UserIdInvalid,
        Reason::UserIdInvalid,
        Reason::ValueNotFinite,
        Reason::ValueNotFinite,
        Reason::ValueTooLarge,
        Reason::TimeInvalid,
        Reason::TimeInvalid,
        Reason::TimeInvalid,
        Reason::TooOld,
        Reason::InFuture,
    ];
    assert_eq!(told(&parsed), (1..).zip(reasons).collect::<Vec<_>>());
    assert_eq!(parsed.rejected, 11);
    let places: Vec<u16> = parsed
        .batch
        .events
        .iter()
        .map(|event| event.place)
        .collect();
    assert_eq!(places, [0, 12, 13]);
    let last = parsed.batch.events[2];
    assert_eq!(
        parsed.batch.types[usize::from(last.event_type)].as_str(),
        "order.placed"
    );
    assert_eq!(&*parsed.batch.users[usize::from(last.user)], "bob");
}

#[test]
fn packed_records_name_what_their_batch_lists() {
    let records = [
        (0, 0, 0, 1.0),
        (5_000, 0, 1, 2.0),
        (0, 1, 0, 3.0),
        (0, 2, 0, 4.0),
        (0, 0, 2, 5.0),
        (0, 0, 3, 6.0),
        (u32::MAX, 0, 0, 7.0),
        (0, 0, 0, f64::NAN),
        (0, 0, 0, f64::MAX),
    ];

    let parsed = parse(sent(packed(&records)), &reach(TenantId::new()), WINDOW).unwrap();

    let reasons = [
        Reason::EventTypeInvalid,
        Reason::PlaceUnknown,
        Reason::UserIdInvalid,
        Reason::PlaceUnknown,
        Reason::InFuture,
        Reason::ValueNotFinite,
        Reason::ValueTooLarge,
    ];
    assert_eq!(told(&parsed), (2..).zip(reasons).collect::<Vec<_>>());
    let second = parsed.batch.events[1];
    assert_eq!((second.at_ms, second.value), (NOW_MS - 5_000, 2.0));
    assert_eq!(&*parsed.batch.users[usize::from(second.user)], "ada");
}

#[test]
fn only_the_first_hundred_rejections_are_told_and_all_are_counted() {
    let events = vec![event(NOW_MS, "", "", 1.0); 150];

    let parsed = parse(readable(events), &reach(TenantId::new()), WINDOW).unwrap();

    assert_eq!((parsed.rejected, parsed.rejections.len()), (150, TOLD_MAX));
}

#[test]
fn a_batch_that_is_itself_at_fault_is_refused_whole() {
    let reach = reach(TenantId::new());
    let good = || packed(&[(0, 0, 0, 1.0)]);
    let many = vec![event(NOW_MS, "a", "", 1.0); EVENTS_MAX + 1];
    let faults = [
        (pb::IngestEventsRequest { batch: None }, "INVALID_FIELD"),
        (readable(Vec::new()), "INVALID_FIELD"),
        (readable(many), "BATCH_TOO_LARGE"),
        (sent(packed(&[])), "INVALID_FIELD"),
        (
            sent(pb::PackedBatch {
                records: vec![0; 19].into(),
                ..good()
            }),
            "INVALID_FIELD",
        ),
        (
            sent(pb::PackedBatch {
                records: vec![0; 20 * 50_001].into(),
                ..good()
            }),
            "BATCH_TOO_LARGE",
        ),
        (
            sent(pb::PackedBatch {
                event_types: vec!["a".to_owned(); 1_001],
                ..good()
            }),
            "BATCH_TOO_LARGE",
        ),
        (
            sent(pb::PackedBatch {
                producer_id: "a b".to_owned(),
                ..good()
            }),
            "PRODUCER_INVALID",
        ),
        (
            sent(pb::PackedBatch {
                sequence: 0,
                ..good()
            }),
            "SEQUENCE_INVALID",
        ),
        (
            sent(pb::PackedBatch {
                sequence: u64::MAX,
                ..good()
            }),
            "SEQUENCE_INVALID",
        ),
        (
            sent(pb::PackedBatch {
                tenant_id: TenantId::new().to_string(),
                ..good()
            }),
            "TENANT_FORBIDDEN",
        ),
    ];
    for (request, wanted) in faults {
        assert_eq!(reason(parse(request, &reach, WINDOW)), wanted);
    }
}

proptest! {
    #[test]
    fn no_record_makes_it_panic_and_each_is_taken_or_refused(
        records in proptest::collection::vec(any::<(u32, u32, u32, f64)>(), 1..50),
        base_time_ms in any::<i64>(),
    ) {
        let batch = pb::PackedBatch { base_time_ms, ..packed(&records) };

        let parsed = parse(sent(batch), &reach(TenantId::new()), WINDOW).unwrap();

        let taken = parsed.batch.events.len();
        prop_assert_eq!(taken + usize::try_from(parsed.rejected).unwrap(), records.len());
        prop_assert!(parsed.batch.events.iter().all(|event| event.value.abs() <= VALUE_MAX));
    }
}

#[test]
fn what_came_with_a_key_is_all_that_was_sent_whatever_the_clock_says() {
    let events = [
        event(NOW_MS, "a", "ada", 1.0),
        event(NOW_MS - 80_000_000, "a", "", 2.0),
        event(NOW_MS, "Bad", "", 3.0),
    ];
    let later = Window {
        oldest_ms: WINDOW.oldest_ms + 20_000_000,
        newest_ms: WINDOW.newest_ms + 20_000_000,
    };
    let keyed = |events: &[pb::Event], window| {
        let mut request = readable(events.to_vec());
        if let Some(pb::ingest_events_request::Batch::Events(batch)) = &mut request.batch {
            (batch.producer_id, batch.sequence) = (String::new(), 0);
            batch.batch_key = "k".to_owned();
        }
        parse(request, &reach(TenantId::new()), window).unwrap()
    };

    let (first, again) = (keyed(&events, WINDOW), keyed(&events, later));
    let fewer = keyed(&events[..2], WINDOW);
    let mut timeless = events;
    timeless[2].event_time = None;
    let timeless = keyed(&timeless, WINDOW);

    assert_eq!((first.rejected, again.rejected), (1, 2));
    assert_eq!(first.batch.name, again.batch.name);
    assert_ne!(first.batch.name, fewer.batch.name);
    assert_ne!(first.batch.name, timeless.batch.name);
}
