use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use time::macros::datetime;
use tradepost_types::{SessionId, TenantId, UserId};
use uuid::Uuid;

use super::super::{Actor, Origin};
use super::*;
use crate::domain::caller::Subject;

const NOW: OffsetDateTime = datetime!(2026-11-21 12:00:00.123456789 UTC);
const SALT: Salt = [7; 16];

fn user() -> UserId {
    UserId::from_uuid(Uuid::from_u128(1))
}

fn chain() -> Chain {
    Chain::Tenant(TenantId::from_uuid(Uuid::from_u128(2)))
}

fn entry() -> Entry {
    Entry::new(
        chain(),
        Subject::User(user()),
        "order.place",
        Outcome::Denied,
    )
    .on("order_1")
    .because("RIGHT_MISSING")
    .traced("0af7651916cd43dd8448eb211c80319c")
    .during(SessionId::from_uuid(Uuid::from_u128(3)))
    .with("status", 403)
    .from(Origin::new(
        Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some("curl/8"),
    ))
}

fn sealed() -> Sealed {
    entry().seal(&Head::genesis(chain()), NOW, &SALT)
}

#[test]
fn the_hash_is_the_one_written_down() {
    // A change here breaks every chain there is: it needs a new tag, and a verifier for both.
    assert_eq!(
        hex::encode(sealed().hash),
        "688cf2ea488127171d62356ed36fa6919f9b5745307dcc839070a52db1109795"
    );
}

type Change = fn(&mut Sealed);

#[test]
fn every_field_counts() {
    let whole = sealed();
    let changes: [(&str, Change); 13] = [
        ("chain", |s| s.chain = Chain::Platform),
        ("seq", |s| s.seq += 1),
        ("recorded_at", |s| {
            s.recorded_at += time::Duration::microseconds(1);
        }),
        ("actor", |s| s.actor.push('x')),
        ("session", |s| s.session = None),
        ("action", |s| s.action.push('x')),
        ("object", |s| s.object = None),
        ("outcome", |s| s.outcome = Outcome::Failed),
        ("reason", |s| s.reason = Some(String::new())),
        ("trace_id", |s| s.trace_id = None),
        ("origin_digest", |s| s.origin_digest = Some([0; 32])),
        ("details", |s| s.details.clear()),
        ("prev", |s| s.prev = [0; 32]),
    ];
    let mut seen = BTreeSet::from([whole.hash]);
    for (field, change) in changes {
        let mut changed = whole.clone();
        change(&mut changed);
        assert!(seen.insert(changed.computed_hash()), "{field}");
    }
}

#[test]
fn absent_is_not_empty_and_text_does_not_flow_over() {
    let base = sealed();
    let with = |reason: Option<&str>, trace: Option<&str>| {
        let mut sealed = base.clone();
        sealed.reason = reason.map(str::to_owned);
        sealed.trace_id = trace.map(str::to_owned);
        sealed.computed_hash()
    };

    assert_ne!(with(None, Some("")), with(Some(""), None));
    assert_ne!(with(None, None), with(Some(""), None));
    assert_ne!(with(Some("ab"), Some("c")), with(Some("a"), Some("bc")));
}

#[test]
fn times_are_cut_to_what_the_database_keeps_and_never_go_back() {
    let first = sealed();
    assert_eq!(first.recorded_at, datetime!(2026-11-21 12:00:00.123456 UTC));

    let earlier = NOW - time::Duration::hours(1);
    let second = entry().seal(&first.head(), earlier, &SALT);

    assert_eq!(second.recorded_at, first.recorded_at);
    assert_eq!((second.seq, second.prev), (2, first.hash));
}

#[test]
fn a_time_in_another_zone_is_the_same_time() {
    let mut elsewhere = sealed();
    elsewhere.recorded_at = elsewhere.recorded_at.to_offset(time::macros::offset!(+3));

    assert_eq!(elsewhere.computed_hash(), sealed().hash);
}

#[test]
fn chains_begin_differently() {
    assert_ne!(
        Head::genesis(Chain::Platform).hash,
        Head::genesis(chain()).hash
    );
}

#[test]
fn the_digest_of_an_origin_hangs_on_its_salt() {
    let origin = Origin::new(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), None);

    assert_ne!(origin.digest(&[0; 16]), origin.digest(&[1; 16]));
    assert_ne!(
        origin.digest(&SALT),
        Origin::new(origin.address, Some("")).digest(&SALT)
    );
}

#[test]
fn actors_and_chains_have_names() {
    assert_eq!(Actor::Anonymous.to_string(), "anonymous");
    assert_eq!(Actor::System("retention").to_string(), "system:retention");
    assert_eq!(
        Actor::from(Subject::User(user())).to_string(),
        user().to_string()
    );
    for chain in [Chain::Platform, chain()] {
        assert_eq!(chain.to_string().parse(), Ok(chain));
        assert_eq!(Chain::from_uuid(chain.as_uuid()), chain);
    }
}

proptest! {
    #[test]
    fn other_details_have_other_bytes(
        one in proptest::collection::btree_map("[ab]{0,2}", "[ab]{0,2}", 0..3),
        other in proptest::collection::btree_map("[ab]{0,2}", "[ab]{0,2}", 0..3),
    ) {
        let with = |details: &BTreeMap<String, String>| {
            let mut sealed = sealed();
            sealed.details = details.clone();
            sealed.canonical()
        };
        prop_assert_eq!(one == other, with(&one) == with(&other));
    }
}
