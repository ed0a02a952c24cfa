//! An amount in the minor units of one currency. No float comes near it.

use std::fmt;

use crate::{Currency, Quantity};

/// Why a calculation with money has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The two amounts are in different currencies.
    #[error("cannot mix {left} and {right}")]
    CurrencyMismatch {
        /// The currency of the left operand.
        left: Currency,
        /// The currency of the right operand.
        right: Currency,
    },
    /// The result does not fit in 63 bits of minor units.
    #[error("the amount is too large")]
    Overflow,
    /// An amount was to be split into no parts.
    #[error("an amount cannot be split into no parts")]
    NoParts,
}

/// An amount of money: minor units (pence, cents, yen) and their currency. It may be negative, as
/// a ledger posting is; prices and totals check their sign where they are parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor_units: i64,
    currency: Currency,
}

impl Money {
    /// An amount from its minor units.
    #[must_use]
    pub const fn new(minor_units: i64, currency: Currency) -> Self {
        Self {
            minor_units,
            currency,
        }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.minor_units
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor_units = self
            .minor_units
            .checked_add(other.minor_units)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self {
            minor_units,
            ..self
        })
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`], [`MoneyError::Overflow`].
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor_units = self
            .minor_units
            .checked_sub(other.minor_units)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self {
            minor_units,
            ..self
        })
    }

    /// The price of `quantity` units at this price each.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn checked_mul(self, quantity: Quantity) -> Result<Self, MoneyError> {
        let minor_units = self
            .minor_units
            .checked_mul(i64::from(quantity.get()))
            .ok_or(MoneyError::Overflow)?;
        Ok(Self {
            minor_units,
            ..self
        })
    }

    /// Splits the amount by `weights` so that the parts sum to it exactly; the remainder of the
    /// rounding goes to the last part. Weights of zero get nothing; if all are zero the last part
    /// gets everything.
    ///
    /// # Errors
    /// [`MoneyError::NoParts`] for no weights.
    pub fn split(self, weights: &[u64]) -> Result<Vec<Self>, MoneyError> {
        let (_, all_but_last) = weights.split_last().ok_or(MoneyError::NoParts)?;
        let whole: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
        let mut rest = self.minor_units;
        let mut parts = Vec::with_capacity(weights.len());
        for &weight in all_but_last {
            let share = match whole {
                0 => 0,
                whole => i128::from(self.minor_units) * i128::from(weight) / whole,
            };
            let share = i64::try_from(share).map_err(|_beyond| MoneyError::Overflow)?;
            rest = rest.checked_sub(share).ok_or(MoneyError::Overflow)?;
            parts.push(Self {
                minor_units: share,
                ..self
            });
        }
        parts.push(Self {
            minor_units: rest,
            ..self
        });
        Ok(parts)
    }

    /// Whether the amount is above zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.minor_units > 0
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch {
            left: self.currency,
            right: other.currency,
        })
    }
}

impl fmt::Display for Money {
    /// `GBP 12.34`, for people; never parse it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor_units < 0 { "-" } else { "" };
        let units = self.minor_units.unsigned_abs();
        match self.currency.exponent() {
            0 => write!(f, "{} {sign}{units}", self.currency),
            exponent => {
                let whole = 10_u64.pow(exponent);
                let width = usize::try_from(exponent).unwrap_or(2);
                write!(
                    f,
                    "{} {sign}{}.{:0width$}",
                    self.currency,
                    units / whole,
                    units % whole
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn gbp(minor_units: i64) -> Money {
        Money::new(minor_units, Currency::GBP)
    }

    #[test]
    fn mixing_currencies_is_an_error() {
        let euro = Money::new(1, Currency::EUR);

        assert_eq!(
            gbp(1).checked_add(euro),
            Err(MoneyError::CurrencyMismatch {
                left: Currency::GBP,
                right: Currency::EUR
            })
        );
    }

    #[test]
    fn overflow_is_an_error_in_every_operation() {
        let quantity = Quantity::try_from(2_u32).unwrap();

        assert_eq!(gbp(i64::MAX).checked_add(gbp(1)), Err(MoneyError::Overflow));
        assert_eq!(gbp(i64::MIN).checked_sub(gbp(1)), Err(MoneyError::Overflow));
        assert_eq!(
            gbp(i64::MAX).checked_mul(quantity),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn e08_a_split_gives_its_remainder_to_the_last_part() {
        let parts = gbp(100).split(&[1, 1, 1]).unwrap();

        assert_eq!(parts, vec![gbp(33), gbp(33), gbp(34)]);
    }

    #[test]
    fn a_split_into_no_parts_is_refused() {
        assert_eq!(gbp(100).split(&[]), Err(MoneyError::NoParts));
    }

    #[test]
    fn amounts_are_shown_with_the_decimals_of_their_currency() {
        assert_eq!(gbp(-1_205).to_string(), "GBP -12.05");
        assert_eq!(Money::new(1_205, Currency::JPY).to_string(), "JPY 1205");
        assert_eq!(Money::new(1_205, Currency::KWD).to_string(), "KWD 1.205");
    }

    proptest! {
        #[test]
        fn e08_the_parts_of_a_split_sum_to_the_whole(
            units in -1_000_000_000_000_i64..1_000_000_000_000,
            weights in prop::collection::vec(0_u64..1_000_000, 1..40),
        ) {
            let parts = gbp(units).split(&weights).unwrap();

            prop_assert_eq!(parts.len(), weights.len());
            prop_assert_eq!(parts.iter().map(|part| part.minor_units()).sum::<i64>(), units);
        }
    }
}
