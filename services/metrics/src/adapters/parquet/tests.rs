//! What is written is read back; what is damaged is refused.

use bytes::Bytes;
use proptest::prelude::*;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::{
    Blocks, EventReader, EventWriter, FileError, FileEvent, FileFacts, Layout, Opening, Pieces,
    ROWS_PER_GROUP, Wanted,
};
use crate::domain::Range;

#[derive(Debug, Clone, PartialEq)]
struct Owned {
    tenant: TenantId,
    at_ms: i64,
    id: i64,
    event_type: String,
    user: String,
    bits: u64,
}

impl Owned {
    fn of(event: &FileEvent<'_>) -> Self {
        Self {
            tenant: event.tenant,
            at_ms: event.at_ms,
            id: event.id,
            event_type: event.event_type.to_owned(),
            user: event.user.to_owned(),
            bits: event.value.to_bits(),
        }
    }

    fn lent(&self) -> FileEvent<'_> {
        FileEvent {
            tenant: self.tenant,
            at_ms: self.at_ms,
            id: self.id,
            event_type: &self.event_type,
            user: &self.user,
            value: f64::from_bits(self.bits),
        }
    }
}

fn tenant(number: u64) -> TenantId {
    TenantId::from_uuid(Uuid::from_u64_pair(number.rotate_right(8), number))
}

fn written(events: &[Owned]) -> (Bytes, FileFacts) {
    let mut writer = EventWriter::new(Vec::new()).unwrap();
    for event in events {
        writer.push(&event.lent()).unwrap();
    }
    let (bytes, facts) = writer.finish().unwrap();
    (bytes.into(), facts)
}

fn gathered(blocks: Blocks) -> Result<Vec<Owned>, FileError> {
    let mut events = Vec::new();
    for block in blocks {
        for event in block?.events() {
            events.push(Owned::of(&event?));
        }
    }
    Ok(events)
}

fn read(bytes: &Bytes, wanted: Wanted) -> Result<Vec<Owned>, FileError> {
    gathered(EventReader::open(bytes.clone())?.scan(wanted)?)
}

fn of(events: &[Owned], tenant: TenantId, range: Range) -> Vec<Owned> {
    let wanted = |event: &&Owned| {
        event.tenant == tenant && (range.start_ms..range.end_ms).contains(&event.at_ms)
    };
    events.iter().filter(wanted).cloned().collect()
}

/// A day of `tenants`, as it may look: a few event types, some hundred users each, prices.
fn day(tenants: u64, rows: u64) -> Vec<Owned> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut events = Vec::new();
    for number in 0..tenants {
        let mut at_ms = 1_763_683_200_000;
        for row in 0..rows {
            at_ms += i64::try_from(next(2 * 86_000_000 / rows)).unwrap();
            let cents = u32::try_from(next(20_000)).unwrap();
            events.push(Owned {
                tenant: tenant(number),
                at_ms,
                id: i64::try_from((row / 8 * tenants + number) * 65_536 + row % 8).unwrap(),
                event_type: format!(
                    "order.{}",
                    ["placed", "paid", "sent"][usize::try_from(next(3)).unwrap()]
                ),
                user: format!("user-{number}-{}", next(300)),
                bits: (f64::from(cents) / 100.0).to_bits(),
            });
        }
    }
    events
}

fn events() -> impl Strategy<Value = Vec<Owned>> {
    let value = prop_oneof![
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        (0_i32..50).prop_map(|value| f64::from(value) / 4.0),
        Just(-0.0),
    ];
    let event = (
        0_u64..5,
        prop_oneof![-4_000_i64..4_000, any::<i64>()],
        prop_oneof![0_i64..10, any::<i64>()],
        "[a-z_][a-z0-9._-]{0,8}",
        prop_oneof![Just(String::new()), "\\PC{0,12}"],
        value,
    );
    let event = event.prop_map(|(number, at_ms, id, event_type, user, value)| Owned {
        tenant: tenant(number),
        at_ms,
        id,
        event_type,
        user,
        bits: value.to_bits(),
    });
    prop::collection::vec(event, 0..200).prop_map(|mut events| {
        events.sort_by_key(|event| event.lent().key());
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(events in events()) {
        let (bytes, facts) = written(&events);

        prop_assert_eq!(facts.rows, events.len() as u64);
        prop_assert_eq!(facts.bytes, bytes.len() as u64);
        let times = events.iter().map(|event| event.at_ms);
        prop_assert_eq!(facts.times, times.clone().min().zip(times.max()));
        prop_assert_eq!(facts.tenants.values().sum::<u64>(), facts.rows);
        prop_assert_eq!(read(&bytes, Wanted::All).unwrap(), events);
    }

    #[test]
    fn a_tenant_and_range_are_found_among_others(
        events in events(), number in 0_u64..6, start in -4_000_i64..4_000, len in 1_i64..4_000,
    ) {
        let (bytes, _) = written(&events);
        let range = Range { start_ms: start, end_ms: start + len };

        let found = read(&bytes, Wanted::Of(tenant(number), range)).unwrap();

        prop_assert_eq!(found, of(&events, tenant(number), range));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_other_events_but_no_panic(
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let (bytes, _) = written(&day(3, 300));
        let mut damaged = bytes.to_vec();
        let at = at.index(damaged.len());
        damaged[at] = byte;

        let _ = read(&damaged.into(), Wanted::All);
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let (bytes, _) = written(&day(3, 300));

    for len in 0..bytes.len() {
        assert!(read(&bytes.slice(..len), Wanted::All).is_err(), "{len}");
    }
    assert!(read(&bytes, Wanted::All).is_ok());
}

#[test]
fn a_file_of_many_groups_is_read_whole_and_in_part() {
    let rows = ROWS_PER_GROUP / 4;
    let events = day(9, rows as u64);
    let (bytes, facts) = written(&events);

    assert_eq!(facts.rows, events.len() as u64);
    assert!(read(&bytes, Wanted::All).unwrap() == events);
    for number in [0, 4, 8, 9] {
        let range = Range {
            start_ms: 1_763_690_000_000,
            end_ms: 1_763_700_000_000,
        };
        let found = read(&bytes, Wanted::Of(tenant(number), range)).unwrap();
        assert!(found == of(&events, tenant(number), range));
    }
}

#[test]
fn realistic_events_take_less_than_eight_bytes_each() {
    let events = day(30, 10_000);
    let (bytes, facts) = written(&events);

    let per_row = bytes.len() as f64 / facts.rows as f64;
    assert!(per_row < 8.0, "{per_row}");
}

#[test]
fn events_that_are_not_sorted_are_refused_and_the_file_goes_on() {
    let events = day(2, 3);
    let mut writer = EventWriter::new(Vec::new()).unwrap();
    writer.push(&events[1].lent()).unwrap();

    assert!(matches!(
        writer.push(&events[0].lent()),
        Err(FileError::Unsorted)
    ));
    writer.push(&events[2].lent()).unwrap();

    let (bytes, _) = writer.finish().unwrap();
    assert_eq!(read(&bytes.into(), Wanted::All).unwrap(), events[1..3]);
}

/// A file from which ranges are read, as from an object store; the bytes that were.
struct Far {
    bytes: Bytes,
    read: u64,
}

impl Far {
    fn get(&mut self, ranges: &[std::ops::Range<u64>]) -> Vec<Bytes> {
        self.read += ranges
            .iter()
            .map(|range| range.end - range.start)
            .sum::<u64>();
        let slice = |range: &std::ops::Range<u64>| {
            let at = |byte: u64| usize::try_from(byte).unwrap();
            self.bytes.slice(at(range.start)..at(range.end))
        };
        ranges.iter().map(slice).collect()
    }

    fn layout(&mut self) -> Layout {
        let mut opening = Opening::new(self.bytes.len() as u64).unwrap();
        loop {
            match opening.step().unwrap() {
                Ok(layout) => return layout,
                Err(ranges) => {
                    let bytes = self.get(&ranges);
                    opening.push(ranges, bytes).unwrap();
                }
            }
        }
    }
}

#[test]
fn of_a_file_that_is_far_away_a_tenants_range_takes_few_bytes() {
    let events = day(9, ROWS_PER_GROUP as u64 / 4);
    let (bytes, _) = written(&events);
    let mut far = Far {
        bytes: bytes.clone(),
        read: 0,
    };
    let layout = std::sync::Arc::new(far.layout());
    let range = Range {
        start_ms: 1_763_690_000_000,
        end_ms: 1_763_691_000_000,
    };
    let wanted = Wanted::Of(tenant(4), range);

    let parts = layout.find(wanted).unwrap();
    let mut found = Vec::new();
    let mut after = None;
    for part in &parts {
        let (before, last) = part.clone().split_back(5_000);
        assert!(last.rows() <= 5_000);
        for part in before.into_iter().chain([last]) {
            let ranges = layout.bytes_of(&part).unwrap();
            let pieces = Pieces::of(layout.bytes(), &ranges, far.get(&ranges));
            let read = (layout.clone(), std::sync::Arc::new(pieces));
            found.extend(gathered(Blocks::new(read, vec![part], wanted)).unwrap());
        }
        after = Some(far.read);
    }

    assert!(found == of(&events, tenant(4), range));
    assert!(!found.is_empty());
    let all = bytes.len() as u64;
    assert!(after.unwrap() < all / 4, "{} of {all} bytes", far.read);
    let rows: usize = parts.iter().map(super::Part::rows).sum();
    assert!(rows <= 2 * 8_192, "{rows} rows");
}

#[test]
fn another_parquet_file_is_refused() {
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    let schema = parse_message_type("message other { required int64 event_time; }").unwrap();
    let properties = std::sync::Arc::new(WriterProperties::new());
    let writer = SerializedFileWriter::new(Vec::new(), schema.into(), properties).unwrap();
    let bytes = writer.into_inner().unwrap();

    assert!(EventReader::open(bytes.into()).is_err());
}
