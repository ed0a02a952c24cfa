use proptest::prelude::*;
use tradepost_types::UserId;
use uuid::Uuid;

use super::*;
use crate::domain::rights::Permission;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn text() -> String {
    let id = ApiKeyId::from_uuid(Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881));
    let key = KeyText::new(Mode::Live, id, &[7; 32]);
    key.render().expose_secret().to_owned()
}

fn key() -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(),
        tenant: TenantId::new(),
        name: "till".to_owned(),
        mode: Mode::Live,
        scope: Rights::of(&[Permission::OrdersRead]),
        networks: Vec::new(),
        created_by: UserId::new(),
        created_at: NOW,
        expires_at: NOW + LIFETIME_DEFAULT,
        last_used_at: None,
        previous_until: None,
        revoked_at: None,
    }
}

#[test]
fn a_key_has_a_prefix_an_id_a_secret_and_a_checksum() {
    let text = text();

    assert!(
        text.starts_with("tp_live_01h2xcejqtf2nbrexx3vqjhp41_"),
        "{text}"
    );
    assert_eq!(text.len(), 85);
    let parsed = KeyText::parse(&text).unwrap();
    assert_eq!(parsed.mode, Mode::Live);
    assert_eq!(parsed.id.to_string(), "key_01h2xcejqtf2nbrexx3vqjhp41");
    assert_eq!(parsed.signed(), &text.as_bytes()[..text.len() - 7]);
}

#[test]
fn every_single_wrong_character_is_found_without_asking() {
    let text = text();
    for at in 0..text.len() {
        let mut wrong = text.clone().into_bytes();
        wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert!(KeyText::parse(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_is_cut_or_continued_is_no_key() {
    let text = text();
    for wrong in [
        "",
        "tp_live_",
        "tp_live___",
        "tp_prod_01h2xcejqtf2nbrexx3vqjhp41_x_y",
        &text[..text.len() - 1],
        &text[1..],
        &format!("{text}_"),
        &format!("{text} "),
        &format!(" {text}"),
        &text.to_uppercase(),
    ] {
        assert!(KeyText::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_key_never_shows_itself_in_debug() {
    let parsed = KeyText::parse(&text()).unwrap();

    assert!(!format!("{parsed:?}").contains("tp_live"), "{parsed:?}");
}

#[test]
fn a_replaced_secret_is_good_until_its_time() {
    let (old, new) = ([1; 32], [2; 32]);
    let secrets = KeySecrets {
        current: new,
        previous: Some(old),
    };
    let rotated = ApiKey {
        previous_until: Some(NOW + Duration::HOUR),
        ..key()
    };
    let check = |matched, now| rotated.check(matched, None, now);

    assert_eq!(secrets.matched(&new), Some(Matched::Current));
    assert_eq!(secrets.matched(&old), Some(Matched::Previous));
    assert_eq!(secrets.matched(&[3; 32]), None);
    assert_eq!(check(Matched::Previous, NOW), Ok(()));
    let later = NOW + Duration::HOUR;
    assert_eq!(check(Matched::Previous, later), Err(KeyFault::Secret));
    assert_eq!(check(Matched::Current, later), Ok(()));
}

#[test]
fn a_key_is_good_until_it_expires_or_is_revoked() {
    let good = key();
    let revoked = ApiKey {
        revoked_at: Some(NOW),
        ..key()
    };

    let at = |key: &ApiKey, now| key.check(Matched::Current, None, now);
    assert_eq!(at(&good, good.expires_at - Duration::SECOND), Ok(()));
    assert_eq!(at(&good, good.expires_at), Err(KeyFault::Expired));
    assert_eq!(at(&revoked, NOW), Err(KeyFault::Revoked));
}

#[test]
fn a_key_that_is_bound_to_networks_is_good_there_only() {
    let bound = ApiKey {
        networks: vec!["203.0.113.0/24".parse().unwrap()],
        ..key()
    };
    let from = |address: Option<&str>| {
        let address = address.map(|address| address.parse().unwrap());
        bound.check(Matched::Current, address, NOW)
    };

    assert_eq!(from(Some("203.0.113.9")), Ok(()));
    assert_eq!(from(Some("198.51.100.1")), Err(KeyFault::Address));
    assert_eq!(from(None), Err(KeyFault::Address));
}

#[test]
fn nobody_gives_a_program_what_they_lack_or_what_is_for_people() {
    let of = Rights::of;
    let manager = Role::Manager.rights();

    assert_eq!(check_scope(of(&[Permission::OrdersRead]), manager), Ok(()));
    assert_eq!(check_scope(Rights::NONE, manager), Err(ScopeFault::Empty));
    assert_eq!(
        check_scope(of(&[Permission::KeysManage]), Role::Owner.rights()),
        Err(ScopeFault::NotForPrograms)
    );
    assert_eq!(
        check_scope(of(&[Permission::PaymentsRefund]), Role::Support.rights()),
        Err(ScopeFault::BeyondMaker)
    );
}

#[test]
fn no_program_ever_has_all_the_rights_of_a_role_of_people() {
    // What tells a login of a person from an application that acts for them.
    for role in Role::ALL.iter().filter(|role| **role != ROLE) {
        assert!(!role.rights().within(ROLE.rights()), "{role}");
    }
}

proptest! {
    #[test]
    fn every_key_is_read_as_it_was_made(id: u128, secret: [u8; 32]) {
        let made = KeyText::new(Mode::Test, ApiKeyId::from_uuid(Uuid::from_u128(id)), &secret);
        let read = KeyText::parse(made.render().expose_secret()).unwrap();
        prop_assert_eq!((read.mode, read.id), (made.mode, made.id));
        prop_assert_eq!(read.signed(), made.signed());
    }

    #[test]
    fn no_text_makes_the_parser_fail_otherwise_than_with_an_error(text in ".{0,120}") {
        let _ = KeyText::parse(&text);
    }
}
