//! Which bin a value falls in, and which value stands for a bin.
//!
//! Magnitudes are cut log-linearly: every octave (from a power of two to the next) into 64 bins of
//! equal width, which the bits of a float say without a logarithm. Subnormal floats are whole
//! multiples of the least one, so they are cut as those whole numbers: the error holds to the last
//! bit. Bins are numbered by magnitude from 1, negative for negative values, 0 for zero: the order
//! of bins is that of values.
//!
//! At level `l`, 2^l neighbouring bins of a sign are one. Groups begin where octaves begin, zero
//! stays alone, and levels nest.

/// Bits of the mantissa that choose a bin.
const OCTAVE_BITS: u32 = 6;
/// Bits of the mantissa that do not.
const SHIFT: u32 = 52 - OCTAVE_BITS;
/// Bins of an octave at level 0.
const OCTAVE: i32 = 1 << OCTAVE_BITS;
/// Octaves of subnormal magnitudes.
const SUBNORMAL: i32 = 52 * OCTAVE;
/// `1.0`, shifted: where the whole number 1 falls.
const ONE: i32 = 1023 * OCTAVE;

/// The bin of the greatest finite magnitude at level 0.
pub(super) const MAGNITUDE_MAX: i32 = SUBNORMAL + 2046 * OCTAVE;
/// The highest level there is need for: there, all finite values fall in 2,099 bins.
pub(super) const LEVEL_MAX: u8 = 7;
/// By how much of its value what [`value`] says may be off at level 0, for every finite value.
pub(super) const RELATIVE_ERROR: f64 = 1.0 / 128.0;

/// Eighteen bits at most are left of a float.
fn high_bits(magnitude: f64) -> i32 {
    (magnitude.to_bits() >> SHIFT) as i32
}

/// The bin of a finite value at level 0.
pub(super) fn key(value: f64) -> i32 {
    let magnitude = value.abs();
    let bin = if magnitude >= f64::MIN_POSITIVE {
        high_bits(magnitude) - OCTAVE + SUBNORMAL + 1
    } else if magnitude == 0.0 {
        0
    } else {
        #[expect(
            clippy::cast_precision_loss,
            reason = "below 2^52 every whole number is a float"
        )]
        let whole = magnitude.to_bits() as f64;
        high_bits(whole) - ONE + 1
    };
    if value < 0.0 { -bin } else { bin }
}

/// The bin at `level` that has the bin `key` of level 0 in it; `coarser(coarser(k, a), b)` is
/// `coarser(k, a + b)`.
pub(super) fn coarser(key: i32, level: u8) -> i32 {
    match key {
        0 => 0,
        1.. => ((key - 1) >> level) + 1,
        ..0 => -(((-key - 1) >> level) + 1),
    }
}

/// The value that stands for the bin `key` of `level`: the one whose error is the same towards
/// both ends of the bin.
pub(super) fn value(key: i32, level: u8) -> f64 {
    if key == 0 {
        return 0.0;
    }
    let first = i64::from(key.abs() - 1) << level;
    let next = first + (1 << level);
    let magnitude = if next <= i64::from(SUBNORMAL) {
        middle(whole(first), whole(next))
    } else {
        let from = if first < i64::from(SUBNORMAL) {
            whole_as_float(first)
        } else {
            normal(first)
        };
        middle(from, normal(next).min(f64::MAX))
    };
    let magnitude = if next <= i64::from(SUBNORMAL) {
        least(magnitude)
    } else {
        magnitude
    };
    if key < 0 { -magnitude } else { magnitude }
}

/// Where bins start, as a multiple of the least float, for the subnormal ones.
fn whole(bins: i64) -> f64 {
    f64::from_bits((bins + i64::from(ONE)).cast_unsigned() << SHIFT)
}

/// The float that is so many times the least one, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounding down is what is wanted, and below 2^52 nothing is lost"
)]
fn least(times: f64) -> f64 {
    f64::from_bits(times as u64)
}

fn whole_as_float(bins: i64) -> f64 {
    least(whole(bins).ceil())
}

/// Where bins start, for the normal ones.
fn normal(bins: i64) -> f64 {
    let bits = bins - i64::from(SUBNORMAL) + i64::from(OCTAVE);
    f64::from_bits(bits.min(2047 << OCTAVE_BITS).cast_unsigned() << SHIFT)
}

/// `2ab / (a + b)` without overflow, for `0 < from <= to`.
fn middle(from: f64, to: f64) -> f64 {
    from * (2.0 / (1.0 + from / to))
}

/// By how much of its value what [`value`] says may be off at `level`.
pub(super) fn relative_error(level: u8) -> f64 {
    if level == 0 {
        return RELATIVE_ERROR;
    }
    let bins = f64::from(1_u32 << level.min(LEVEL_MAX)) / f64::from(OCTAVE);
    // The widest bin is the first of an octave; from level 6 on bins are whole octaves.
    let ratio = if bins <= 1.0 { 1.0 + bins } else { bins.exp2() };
    (ratio - 1.0) / (ratio + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Floats of every size: bits at random, so that all exponents come.
    fn finite() -> impl Strategy<Value = f64> {
        any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("finite", |value| value.is_finite())
    }

    fn assert_stands_for(value_before: f64, level: u8) {
        let stands = value(coarser(key(value_before), level), level);
        let off = (stands / value_before - 1.0).abs();
        // A subnormal quotient is exact enough: both are whole multiples of the least float.
        assert!(
            stands == value_before || off <= relative_error(level) * (1.0 + 1e-12),
            "{value_before:e} at level {level} became {stands:e}, off by {off}"
        );
    }

    proptest! {
        #[test]
        fn the_error_holds_over_all_finite_values(value in finite()) {
            assert_stands_for(value, 0);
        }

        #[test]
        fn the_error_of_a_level_holds(value in finite(), level in 0..=LEVEL_MAX) {
            prop_assume!(value.abs() >= 2.0 * f64::MIN_POSITIVE || value == 0.0);
            assert_stands_for(value, level);
        }

        #[test]
        fn bins_are_in_the_order_of_values(a in finite(), b in finite(), level in 0..=LEVEL_MAX) {
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(coarser(key(low), level) <= coarser(key(high), level));
        }

        #[test]
        fn levels_nest(value in finite(), a in 0..4_u8, b in 0..4_u8) {
            prop_assert_eq!(coarser(coarser(key(value), a), b), coarser(key(value), a + b));
        }
    }

    #[test]
    fn the_edges_of_floats_have_bins() {
        for edge in [
            f64::from_bits(1),
            f64::MIN_POSITIVE,
            f64::MIN_POSITIVE.next_down(),
            f64::MAX,
        ] {
            for value in [edge, -edge] {
                assert_stands_for(value, 0);
            }
        }
        assert_eq!(key(0.0), 0);
        assert_eq!(key(-0.0), 0);
        assert_eq!(key(f64::from_bits(1)), 1);
        assert_eq!(
            key(f64::MIN_POSITIVE.next_down()) + 1,
            key(f64::MIN_POSITIVE)
        );
        assert_eq!(key(f64::MAX), MAGNITUDE_MAX);
        assert!(coarser(MAGNITUDE_MAX, LEVEL_MAX) == 1_049);
    }

    #[test]
    fn every_small_subnormal_is_exact_enough() {
        for bits in 1..5_000 {
            assert_stands_for(f64::from_bits(bits), 0);
        }
    }
}
