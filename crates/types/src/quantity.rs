//! How many units of one item.

use std::fmt;

/// The number is not a quantity that can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a quantity must be from 1 to {max}", max = Quantity::MAX)]
pub struct QuantityError;

/// A number of units from 1 to [`Quantity::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantity(u32);

impl Quantity {
    /// The most units one line may ask for.
    pub const MAX: u32 = 1_000_000;

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Quantity {
    type Error = QuantityError;

    fn try_from(units: u32) -> Result<Self, QuantityError> {
        if (1..=Self::MAX).contains(&units) {
            Ok(Self(units))
        } else {
            Err(QuantityError)
        }
    }
}

impl TryFrom<i64> for Quantity {
    type Error = QuantityError;

    fn try_from(units: i64) -> Result<Self, QuantityError> {
        u32::try_from(units)
            .map_err(|_outside| QuantityError)?
            .try_into()
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_one_and_a_million() {
        for (units, valid) in [
            (0_i64, false),
            (1, true),
            (1_000_000, true),
            (1_000_001, false),
            (-1, false),
            (i64::MAX, false),
        ] {
            assert_eq!(Quantity::try_from(units).is_ok(), valid, "{units}");
        }
    }
}
