use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::{Channel, ChannelRule, Minute, Preferences, QuietHours};
use crate::ports::PreferenceChange;

fn key_of() -> impl Strategy<Value = StreamKey> {
    let user = "[a-zA-Z0-9 äß漢/:|]{1,40}".prop_map(|name| Whose::User(name.parse().unwrap()));
    let group = "[a-z0-9._-]{1,40}".prop_map(|name| Whose::Group(name.parse().unwrap()));
    (any::<u128>(), prop_oneof![user, group]).prop_map(|(tenant, whose)| StreamKey {
        tenant: TenantId::from_uuid(Uuid::from_u128(tenant)),
        whose,
    })
}

fn reader_of() -> impl Strategy<Value = Reader> {
    (any::<u128>(), "[a-z äß]{1,40}").prop_map(|(tenant, user)| Reader {
        tenant: TenantId::from_uuid(Uuid::from_u128(tenant)),
        user: user.parse().unwrap(),
    })
}

fn preferences_of() -> impl Strategy<Value = Preferences> {
    let pattern = || prop_oneof!["[a-z]{1,9}", "[a-z]{1,9}\\.\\*", Just("*".to_owned())];
    let quiet = (0..1_440_i32, 1..1_440_i32).prop_map(|(start, length)| {
        QuietHours::new(
            Minute::try_from(start).unwrap(),
            Minute::try_from((start + length) % 1_440).unwrap(),
            "Europe/Paris".parse().unwrap(),
        )
        .unwrap()
    });
    let channels = prop::sample::subsequence(vec![Channel::Live, Channel::Email], 0..=2);
    let rule = (pattern(), channels).prop_map(|(types, channels)| ChannelRule {
        types: types.parse().unwrap(),
        channels,
    });
    let muted = pattern().prop_map(|types| types.parse().unwrap());
    (
        proptest::collection::vec(muted, 0..5),
        proptest::option::of(quiet),
        proptest::collection::vec(rule, 0..5),
    )
        .prop_map(|(muted, quiet, rules)| Preferences {
            muted,
            quiet,
            rules,
        })
}

fn announcement_of() -> impl Strategy<Value = Announcement> {
    let text = || any::<Vec<u8>>().prop_map(Bytes::from);
    let entry =
        (key_of(), any::<u64>(), any::<i64>(), text()).prop_map(|(key, seq, stored_ms, text)| {
            Announcement::Entry(Entry {
                key,
                seq,
                stored_ms,
                text,
            })
        });
    let collapse = proptest::option::of(any::<String>().prop_map(String::into_boxed_str));
    let signal = (key_of(), collapse, text()).prop_map(|(key, collapse, text)| {
        Announcement::Signal(Signal {
            key,
            collapse,
            text,
        })
    });
    let member = (
        reader_of(),
        "[a-z]{1,9}",
        any::<u64>(),
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(|(reader, group, seq, is_member, version)| {
            Announcement::Member(MemberChange {
                reader,
                group: group.parse().unwrap(),
                seq,
                is_member,
                version,
            })
        });
    let read = (reader_of(), key_of(), any::<u64>()).prop_map(|(reader, key, seq)| {
        Announcement::Read(ReadMove {
            reader,
            stream: key.seen(),
            seq,
        })
    });
    let preferred = (
        reader_of(),
        any::<u64>(),
        proptest::option::of(preferences_of()),
    )
        .prop_map(|(reader, revision, preferences)| {
            Announcement::Preferences(PreferenceChange {
                reader,
                revision,
                preferences: preferences.map(Arc::new),
            })
        });
    prop_oneof![entry, signal, member, read, preferred]
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_as_it_was(
        announcements in proptest::collection::vec(announcement_of(), 0..20),
        first in 0..u64::MAX / 2,
        epoch in proptest::option::of("[a-z]{1,9}"),
    ) {
        let epoch = epoch.map(|epoch| Arc::new(Epoch(epoch.into())));
        let parcel = Parcel { first, epoch, announcements };

        let opened = open(seal(&parcel).into()).unwrap();

        prop_assert_eq!(opened.next, first + parcel.announcements.len() as u64);
        prop_assert_eq!(opened.parcel, parcel);
    }

    #[test]
    fn garbage_never_panics(bytes in any::<Vec<u8>>()) {
        let _any = open(bytes.clone().into());
        let _any = open_entry(bytes.into());
    }
}

#[test]
fn what_is_not_known_is_left_out_and_counted() {
    let known = Announcement::Read(ReadMove {
        reader: Reader {
            tenant: TenantId::new(),
            user: "ada".parse().unwrap(),
        },
        stream: Stream::User,
        seq: 7,
    });
    let unknown = AnnouncementBytes { kind: None };
    let bytes = ParcelBytes {
        first: 5,
        epoch: None,
        announcements: vec![unknown, announcement_bytes(&known)],
    };

    let opened = open(bytes.encode_to_vec().into()).unwrap();

    assert_eq!(opened.parcel.announcements, [known]);
    assert_eq!(opened.next, 7);
}
