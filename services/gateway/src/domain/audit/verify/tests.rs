use proptest::prelude::*;
use time::macros::datetime;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::super::{Actor, Entry, Outcome};
use super::*;

fn chain() -> Chain {
    Chain::Tenant(TenantId::from_uuid(Uuid::from_u128(2)))
}

fn sealed(count: i64) -> Vec<Sealed> {
    let mut head = Head::genesis(chain());
    (1..=count)
        .map(|n| {
            let entry = Entry::new(chain(), Actor::Anonymous, "test", Outcome::Denied).with("n", n);
            let sealed = entry.seal(&head, datetime!(2026-11-21 12:00 UTC), &[0; 16]);
            head = sealed.head();
            sealed
        })
        .collect()
}

fn point(kind: Kind, row: &Sealed) -> Checkpoint {
    Checkpoint {
        kind,
        chain: row.chain,
        seq: row.seq,
        hash: row.hash,
        time: datetime!(2026-11-21 12:00 UTC),
    }
}

fn check(rows: &[Sealed], checkpoints: &[Checkpoint]) -> Result<i64, (i64, Tampering)> {
    let links: Vec<Link> = rows.iter().map(Link::from).collect();
    verify(chain(), &links, checkpoints)
        .map(|head| head.seq)
        .map_err(|fault| (fault.seq, fault.tampering))
}

/// Seals everything from `from` on anew, as someone would who has the database.
fn reseal(rows: &mut [Sealed], from: usize) {
    for at in from..rows.len() {
        if at > 0 {
            rows[at].prev = rows[at - 1].hash;
        }
        rows[at].hash = rows[at].computed_hash();
    }
}

#[test]
fn a_chain_as_it_was_written_is_in_order() {
    let rows = sealed(9);

    assert_eq!(check(&rows, &[]), Ok(9));
    assert_eq!(check(&rows, &[point(Kind::Mark, &rows[4])]), Ok(9));
    assert_eq!(check(&[], &[]), Ok(0));
}

#[test]
fn a_changed_row_is_named() {
    let mut rows = sealed(9);
    rows[4].actor = "user_x".to_owned();

    assert_eq!(check(&rows, &[]), Err((5, Tampering::Changed)));
}

#[test]
fn a_changed_row_with_a_new_hash_is_named() {
    let mut rows = sealed(9);
    rows[4].actor = "user_x".to_owned();
    rows[4].hash = rows[4].computed_hash();

    let (seq, _) = check(&rows, &[]).unwrap_err();

    assert!(seq == 5 || seq == 6, "{seq}");
}

#[test]
fn a_deleted_row_is_named() {
    let mut rows = sealed(9);
    rows.remove(4);
    assert_eq!(check(&rows, &[]), Err((5, Tampering::Deleted)));

    let mut rows = sealed(9);
    rows.drain(0..2);
    assert_eq!(check(&rows, &[]), Err((1, Tampering::Deleted)));
}

#[test]
fn a_deleted_row_whose_place_was_closed_is_named() {
    let mut rows = sealed(9);
    rows.remove(4);
    for row in &mut rows[4..] {
        row.seq -= 1;
    }

    let (seq, _) = check(&rows, &[]).unwrap_err();

    assert_eq!(seq, 5);
}

#[test]
fn an_inserted_row_is_named() {
    let mut rows = sealed(9);
    let mut twin = rows[4].clone();
    twin.actor = "user_x".to_owned();
    twin.hash = twin.computed_hash();
    rows.insert(5, twin.clone());
    assert_eq!(check(&rows, &[]), Err((5, Tampering::Inserted)));

    // With the later places moved on.
    let mut rows = sealed(9);
    rows.insert(4, twin);
    for row in &mut rows[5..] {
        row.seq += 1;
    }
    assert_eq!(check(&rows, &[]).unwrap_err().0, 6);
}

#[test]
fn reordered_rows_are_named() {
    let mut rows = sealed(9);
    rows.swap(3, 6);
    assert_eq!(check(&rows, &[]), Err((4, Tampering::Reordered)));

    let mut rows = sealed(9);
    rows.swap(3, 6);
    rows[3].seq = 4;
    rows[6].seq = 7;
    assert_eq!(check(&rows, &[]), Err((4, Tampering::Reordered)));
}

#[test]
fn a_missing_end_is_found_by_a_checkpoint() {
    let whole = sealed(9);
    let checkpoints = [point(Kind::Mark, &whole[8])];

    assert_eq!(
        check(&whole[..6], &checkpoints),
        Err((7, Tampering::Truncated))
    );
    assert_eq!(check(&[], &checkpoints), Err((1, Tampering::Truncated)));
    assert_eq!(check(&whole[..6], &[]), Ok(6), "nothing else shows it");
}

#[test]
fn a_chain_that_was_sealed_anew_is_found_by_a_checkpoint() {
    let whole = sealed(9);
    let checkpoints = [point(Kind::Mark, &whole[2]), point(Kind::Mark, &whole[7])];
    let mut rows = whole;
    rows[4].actor = "user_x".to_owned();
    reseal(&mut rows, 4);

    assert_eq!(check(&rows, &[]), Ok(9), "nothing else shows it");
    assert_eq!(check(&rows, &checkpoints), Err((4, Tampering::Resealed)));
}

#[test]
fn a_beginning_may_be_missing_behind_a_signed_cut_only() {
    let whole = sealed(9);
    let cut = point(Kind::Cut, &whole[3]);
    let mark = point(Kind::Mark, &whole[3]);

    assert_eq!(check(&whole[4..], std::slice::from_ref(&cut)), Ok(9));
    assert_eq!(check(&whole[4..], &[mark]), Err((1, Tampering::Deleted)));
    assert_eq!(
        check(&whole[6..], std::slice::from_ref(&cut)),
        Err((5, Tampering::Deleted)),
        "more is missing than was cut"
    );
    // The process died between the signature and the drop.
    assert_eq!(check(&whole, std::slice::from_ref(&cut)), Ok(9));
    assert_eq!(
        check(&whole[2..], std::slice::from_ref(&cut))
            .unwrap_err()
            .0,
        1
    );
    // All rows are past their time.
    assert_eq!(check(&[], &[cut]), Ok(4));
}

#[test]
fn a_forged_beginning_does_not_pass_for_a_cut() {
    let whole = sealed(9);
    let cut = point(Kind::Cut, &whole[3]);
    let mut rows = whole[4..].to_vec();
    rows[0].actor = "user_x".to_owned();
    reseal(&mut rows, 0);
    assert_eq!(
        check(&rows, std::slice::from_ref(&cut)),
        Ok(9),
        "sealed behind the cut"
    );

    rows[0].prev = [0; 32];
    reseal(&mut rows, 0);
    assert_eq!(check(&rows, &[cut]).unwrap_err().0, 5);
}

#[test]
fn two_signatures_for_two_hashes_of_one_place_are_tampering() {
    let rows = sealed(9);
    let mut other = point(Kind::Mark, &rows[4]);
    other.hash = [0; 32];

    assert_eq!(
        check(&rows, &[point(Kind::Mark, &rows[4]), other]),
        Err((1, Tampering::Resealed))
    );
}

proptest! {
    #[test]
    fn no_single_change_of_a_signed_chain_goes_unseen(at in 0usize..9, field in 0usize..6) {
        let whole = sealed(9);
        let checkpoints = [point(Kind::Mark, &whole[8])];
        let mut rows = whole;
        match field {
            0 => rows[at].actor.push('x'),
            1 => { rows.remove(at); }
            2 => { let row = rows[at].clone(); rows.insert(at, row); }
            3 => rows[at].prev[0] ^= 1,
            4 => rows[at].hash[31] ^= 1,
            _ => rows[at].seq += 1,
        }
        let found = check(&rows, &checkpoints).unwrap_err();
        let place = i64::try_from(at).unwrap() + 1;
        prop_assert!(found.0 <= place + 1, "{found:?} for {place}");
        if field == 5 && at == 8 {
            prop_assert_eq!(found.0, 9);
        }
    }
}
