//! It counts within its error, merges exactly, and reads what it wrote.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn of(things: impl IntoIterator<Item = u64>) -> Distinct {
    let mut distinct = Distinct::new();
    for thing in things {
        distinct.add(&thing.to_le_bytes());
    }
    distinct
}

#[test]
fn nothing_is_none_and_few_are_exact() {
    assert_eq!(Distinct::new().estimate(), 0);
    for few in [1, 2, 10, 50] {
        assert_eq!(of(0..few).estimate(), few);
    }
}

#[test]
fn estimates_of_every_size_are_within_four_standard_errors() {
    for size in [
        100,
        1_000,
        1_500,
        5_000,
        10_000,
        30_000,
        100_000,
        1_000_000_u32,
    ] {
        let (size, estimate) = (f64::from(size), of(0..u64::from(size)).estimate());

        #[expect(clippy::cast_precision_loss, reason = "it is far below 2^52")]
        let off = (estimate as f64 - size).abs() / size;

        assert!(
            off <= 4.0 * Distinct::STANDARD_ERROR,
            "{estimate} for {size}"
        );
    }
}

#[test]
fn the_hash_is_the_same_for_ever() {
    assert_eq!(Distinct::hash(b""), 0xf52a_15e9_a9b5_e89b);
    assert_eq!(Distinct::hash(b"user_1"), 0xe49e_1dd6_e92e_836f);
}

proptest! {
    #[test]
    fn the_merge_of_parts_is_the_whole(
        seed in any::<u64>(), sizes in vec(0_u64..4_000, 1..4)
    ) {
        let (mut merged, mut whole, mut next) = (Distinct::new(), Distinct::new(), seed);
        for size in sizes {
            // Parts overlap by half.
            let part = (next..).take(size.try_into().unwrap_or_default());
            let things: Vec<u64> = part.collect();
            next = next.wrapping_add(size / 2);
            merged.merge(&of(things.iter().copied()));
            things.iter().for_each(|thing| whole.add(&thing.to_le_bytes()));
        }

        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(Distinct::decode(&merged.encode()), Ok(merged));
    }

    #[test]
    fn no_bytes_make_it_panic_and_what_is_read_is_written_alike(bytes in vec(any::<u8>(), 0..64)) {
        for form in [SPARSE, DENSE] {
            let mut bytes = bytes.clone();
            bytes.insert(0, form);
            if let Ok(distinct) = Distinct::decode(&bytes) {
                prop_assert_eq!(distinct.encode(), bytes);
            }
        }
    }
}

#[test]
fn damaged_registers_are_refused() {
    let dense = of(0..100_000).encode();
    let sparse = of(0..100).encode();

    assert!(Distinct::decode(&dense).is_ok() && Distinct::decode(&sparse).is_ok());
    assert_eq!(dense.len(), 1 + DENSE_BYTES);
    for bytes in [
        &dense[..dense.len() - 1],
        &sparse[..sparse.len() - 1],
        &[],
        &[9, 1],
    ] {
        let decoded = Distinct::decode(bytes);
        assert!(decoded.is_err() || decoded.unwrap().encode() == bytes);
    }
}
