//! The share of the demand that is put in stock: an exact decimal.

use std::fmt;
use std::str::FromStr;

/// More decimals than anyone types, few enough for exact arithmetic in 128 bits.
const DECIMALS_MAX: usize = 9;
const WHOLE_MAX: u64 = 1_000;

/// The text is not a ratio.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a ratio is a decimal from 0 to {WHOLE_MAX} with at most {DECIMALS_MAX} decimals")]
pub struct RatioError;

/// A decimal from 0 to 1,000, kept without needless zeros so that `0.90` is `0.9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    digits: u64,
    decimals: u32,
}

impl Ratio {
    /// As much stock as demand.
    pub const ONE: Self = Self {
        digits: 1,
        decimals: 0,
    };

    /// `units` times the ratio, rounded down; `None` if it is too large.
    #[must_use]
    pub fn of(self, units: i64) -> Option<i64> {
        let share = i128::from(units) * i128::from(self.digits) / 10_i128.pow(self.decimals);
        i64::try_from(share).ok()
    }
}

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let fault = whole.is_empty() || fraction.is_empty();
        let all_digits = (whole.bytes().chain(fraction.bytes())).all(|byte| byte.is_ascii_digit());
        let fraction = fraction.trim_end_matches('0');
        if fault || !all_digits || fraction.len() > DECIMALS_MAX {
            return Err(RatioError);
        }
        let digits: u64 = format!("{whole}{fraction}")
            .parse()
            .map_err(|_too_long| RatioError)?;
        let decimals = u32::try_from(fraction.len()).map_err(|_too_long| RatioError)?;
        if digits > WHOLE_MAX * 10_u64.pow(decimals) {
            return Err(RatioError);
        }
        Ok(Self { digits, decimals })
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = 10_u64.pow(self.decimals);
        write!(f, "{}", self.digits / scale)?;
        match usize::try_from(self.decimals) {
            Ok(width) if width > 0 => write!(f, ".{:0width$}", self.digits % scale),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ratio(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    #[test]
    fn the_share_is_exact_and_rounded_down() {
        for (text, units, share) in [
            ("1", 7, 7),
            ("0.9", 10, 9),
            ("0.9", 9, 8),
            ("0.1", 9, 0),
            ("1.5", 3, 4),
            ("0", 5, 0),
            // A float would say 56 or 28: 0.57 * 100 is 56.99999999999999.
            ("0.57", 100, 57),
            ("0.29", 100, 29),
        ] {
            assert_eq!(ratio(text).of(units), Some(share), "{text} of {units}");
        }
        assert_eq!(ratio("1000").of(i64::MAX), None);
    }

    #[test]
    fn needless_zeros_make_no_difference() {
        assert_eq!(ratio("0.90"), ratio("0.9"));
        assert_eq!(ratio("1.0"), Ratio::ONE);
        assert_eq!(ratio("00.050").to_string(), "0.05");
        assert_eq!(ratio("10").to_string(), "10");
    }

    #[test]
    fn what_is_no_ratio_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e1",
            "1001",
            "1000.1",
            "0.0123456789",
            "90%",
        ] {
            assert_eq!(text.parse::<Ratio>(), Err(RatioError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_share_is_the_largest_whole_number_below(
            units in 0_i64..1_000_000_000, digits in 0_u64..1_000_000, decimals in 0_u32..4,
        ) {
            let ratio = Ratio { digits, decimals };
            let share = i128::from(ratio.of(units).unwrap());
            let (exact, scale) = (i128::from(units) * i128::from(digits), 10_i128.pow(decimals));

            prop_assert!(share * scale <= exact && exact < (share + 1) * scale);
        }
    }
}
