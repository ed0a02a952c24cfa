//! What is in an entry, good and bad.

use tradepost_types::TenantId;

use super::*;
use crate::domain::BatchName;

const NOW_MS: i64 = 1_763_746_174_123;
const ID: &str = "1763746174120-7";

fn entry(fields: &[(&str, &str)]) -> Entry {
    let bytes = |&(name, text): &(&str, &str)| [name.into(), text.into()];
    Entry {
        id: ID.to_owned(),
        fields: Some(fields.iter().flat_map(bytes).collect()),
    }
}

fn read_as(entry: &Entry, tenants: Option<Vec<TenantId>>) -> Result<Parsed, Fault> {
    entry.read(Place {
        key: "events",
        allowed: &Allowed::new(tenants),
        window: Window::at(NOW_MS, 10),
    })
}

fn read(entry: &Entry) -> Result<Parsed, Fault> {
    read_as(entry, Some(vec![TenantId::new()]))
}

fn reason(read: Result<Parsed, Fault>) -> String {
    read.unwrap_err().reason
}

#[test]
fn a_readable_event_happened_when_it_was_written() {
    let parsed = read(&entry(&[("type", "a"), ("value", "1.5")])).unwrap();

    let event = parsed.batch.events.first().unwrap();
    assert_eq!((event.at_ms, event.value), (1_763_746_174_120, 1.5));
}

#[test]
fn an_entry_without_a_name_is_called_by_its_stream_and_id() {
    let fields = [("type", "a"), ("value", "1")];
    let name = |entry: &Entry| read(entry).unwrap().batch.name;
    let mut later = entry(&fields);
    later.id = "1763746174120-8".to_owned();

    let first = name(&entry(&fields));

    assert!(matches!(first, BatchName::Keyed { .. }));
    assert_eq!(name(&entry(&fields)), first);
    assert_ne!(name(&later), first);
    let (
        BatchName::Keyed { key, content },
        BatchName::Keyed {
            key: same,
            content: other,
        },
    ) = (first, name(&entry(&[("type", "a"), ("value", "2")])))
    else {
        panic!("a name without a key");
    };
    assert_eq!(key, same);
    assert_ne!(content, other);
}

#[test]
fn an_entry_with_a_number_is_called_by_it() {
    let fields = [
        ("type", "a"),
        ("value", "1"),
        ("producer", "till-1"),
        ("sequence", "9"),
    ];

    let name = read(&entry(&fields)).unwrap().batch.name;

    assert_eq!(name.sequence(), 9);
}

#[test]
fn half_a_name_is_none() {
    let event = [("type", "a"), ("value", "1")];
    for (half, wanted) in [
        (("producer", "till-1"), "SEQUENCE_INVALID"),
        (("sequence", "9"), "PRODUCER_INVALID"),
    ] {
        let fields = [event[0], event[1], half];

        assert_eq!(reason(read(&entry(&fields))), wanted);
    }
}

#[test]
fn a_tenant_must_be_of_the_stream() {
    let (own, other) = (TenantId::new(), TenantId::new());
    let text = own.to_string();
    let unnamed = entry(&[("type", "a"), ("value", "1")]);
    let named = entry(&[("type", "a"), ("value", "1"), ("tenant", &text)]);
    let tenant = |entry: &Entry, allowed| read_as(entry, allowed).map(|parsed| parsed.batch.tenant);

    assert_eq!(tenant(&unnamed, Some(vec![own])), Ok(own));
    assert_eq!(tenant(&named, Some(vec![other, own])), Ok(own));
    assert_eq!(tenant(&named, None), Ok(own));
    let missing = read_as(&unnamed, Some(vec![own, other]));
    assert_eq!(reason(missing), "TENANT_MISSING");
    assert_eq!(reason(read_as(&unnamed, None)), "TENANT_MISSING");
    let forbidden = read_as(&named, Some(vec![other]));
    assert_eq!(reason(forbidden), "TENANT_FORBIDDEN");
}

#[test]
fn whatever_is_misspelt_torn_or_doubled_is_malformed() {
    for fields in [
        &[][..],
        &[("type", "a")],
        &[("type", "a"), ("value", "one")],
        &[("type", "a"), ("value", "1"), ("usr", "ada")],
        &[("type", "a"), ("value", "1"), ("value", "1")],
        &[("type", "a"), ("value", "1"), ("time_ms", "noon")],
        &[("type", "a"), ("value", "1"), ("key", "mine")],
        &[("request", "\u{7}\u{7}")],
        &[("request", ""), ("type", "a")],
    ] {
        assert_eq!(reason(read(&entry(fields))), "MALFORMED", "{fields:?}");
    }
    let mut torn = entry(&[("type", "a")]);
    torn.fields.as_mut().unwrap().push(b"value".to_vec());
    assert_eq!(reason(read(&torn)), "MALFORMED");
    let latin = Entry {
        id: ID.to_owned(),
        fields: Some(vec![b"type".to_vec(), vec![0xe9]]),
    };
    assert_eq!(reason(read(&latin)), "MALFORMED");
}
