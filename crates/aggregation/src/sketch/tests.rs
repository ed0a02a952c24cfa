//! What a sketch promises, against sorted lists.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Values as they come in life and values as they never do.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => 0.0..2_000.0,
        1 => -50.0..50.0,
        1 => Just(0.0),
        1 => any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
    ]
}

/// Values that need more bins than there may be.
fn spread() -> impl Iterator<Item = f64> {
    (0..20_000_i32).map(|step| {
        let size = f64::from(step).mul_add(0.1, -1_000.0).exp2();
        if step % 2 == 0 { size } else { -size }
    })
}

fn sketch_of(values: &[f64]) -> Sketch {
    let mut sketch = Sketch::new();
    for &value in values {
        sketch.add(value).unwrap();
    }
    sketch
}

fn assert_percentiles(sketch: &Sketch, mut values: Vec<f64>) {
    values.sort_by(f64::total_cmp);
    for q in [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0] {
        // The least value that at least q of all values are at most.
        let enough = |at: &usize| (at + 1) as f64 >= q * values.len() as f64;
        let exact = values[(0..values.len()).find(enough).unwrap()];
        let told = sketch.quantile(q).unwrap();
        let off = (told / exact - 1.0).abs();
        assert!(
            told == exact || off <= sketch.relative_error() * (1.0 + 1e-12),
            "{q}: {told:e} for {exact:e}"
        );
    }
}

proptest! {
    #[test]
    fn percentiles_are_within_the_error(values in vec(value(), 1..400)) {
        let sketch = sketch_of(&values);

        prop_assert_eq!(sketch.count(), values.len() as u64);
        prop_assert_eq!(sketch.relative_error(), Sketch::RELATIVE_ERROR);
        assert_percentiles(&sketch, values);
    }

    #[test]
    fn the_merge_of_parts_is_the_sketch_of_the_whole(
        values in vec((value(), 0..4_usize), 0..400),
    ) {
        let whole = sketch_of(&values.iter().map(|&(value, _)| value).collect::<Vec<_>>());

        let mut merged = Sketch::new();
        for part in 0..4 {
            let of_part = values.iter().filter(|(_, its)| *its == part);
            merged.merge(&sketch_of(&of_part.map(|&(value, _)| value).collect::<Vec<_>>()));
        }

        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(merged.encode(), whole.encode());
    }

    #[test]
    fn a_sketch_comes_back_from_its_bytes(values in vec((value(), 1..u64::MAX / 1_000), 0..400)) {
        let mut sketch = Sketch::new();
        for (value, n) in values {
            sketch.add_n(value, n).unwrap();
        }

        prop_assert_eq!(Sketch::decode(&sketch.encode()), Ok(sketch));
    }

    #[test]
    fn any_bytes_are_a_sketch_or_an_error(mut bytes in vec(any::<u8>(), 0..200), version in any::<bool>()) {
        if let (Some(first), true) = (bytes.first_mut(), version) {
            *first = VERSION;
        }
        if let Ok(sketch) = Sketch::decode(&bytes) {
            prop_assert_eq!(sketch.encode(), bytes, "a sketch has one spelling");
        }
    }

    #[test]
    fn a_changed_byte_never_panics(
        values in vec(value(), 1..50),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut bytes = sketch_of(&values).encode();
        let at = at.index(bytes.len());
        bytes[at] = to;

        let _decoded = Sketch::decode(&bytes);
        prop_assert!(Sketch::decode(&bytes[..at]).is_err(), "cut off");
    }
}

#[test]
fn bins_stay_bounded_and_the_error_is_told() {
    let values: Vec<_> = spread().collect();

    let sketch = sketch_of(&values);

    assert!(sketch.bins.used() <= Sketch::BINS_MAX);
    assert!(sketch.relative_error() > Sketch::RELATIVE_ERROR);
    assert_percentiles(&sketch, values);
}

#[test]
fn parts_merge_exactly_when_bins_had_to_be_widened() {
    let values: Vec<_> = spread().collect();
    let whole = sketch_of(&values);

    for cut in [1, 3_000, 10_000, 19_000] {
        let (left, right) = values.split_at(cut);
        let (mut forth, mut back) = (sketch_of(left), sketch_of(right));
        let first = forth.clone();
        forth.merge(&back);
        back.merge(&first);

        assert_eq!(forth, whole, "cut at {cut}");
        assert_eq!(back, whole, "cut at {cut}, the other way round");
    }
    assert_eq!(Sketch::decode(&whole.encode()), Ok(whole));
}

#[test]
fn what_is_not_finite_is_refused() {
    let mut sketch = Sketch::new();

    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(sketch.add(value), Err(NotFinite));
    }

    assert_eq!(sketch.count(), 0);
    assert_eq!(sketch.quantile(0.5), None);
}

#[test]
fn other_versions_are_named() {
    assert_eq!(Sketch::decode(&[9, 0, 0]), Err(SketchError::Version(9)));
    assert_eq!(Sketch::decode(&[]), Err(SketchError::Malformed));
}

#[test]
fn signs_and_zero_are_kept_apart() {
    let sketch = sketch_of(&[-10.0, -0.0, 0.0, 0.0, 10.0]);

    let at = |q| sketch.quantile(q).unwrap();
    assert!((at(0.2) + 10.0).abs() <= 0.1);
    assert_eq!(at(0.5), 0.0);
    assert!((at(1.0) - 10.0).abs() <= 0.1);
}
