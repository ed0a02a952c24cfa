//! What a parcel costs: a table by zone and weight. Integers only.

use tradepost_types::{Currency, Money};

/// How far away a country is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Great Britain.
    Domestic,
    /// The rest of Europe.
    Europe,
    /// Everywhere else.
    World,
}

/// The countries of the zone Europe.
const EUROPE: &[&str] = &[
    "AD", "AL", "AT", "BA", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FO", "FR",
    "GG", "GI", "GR", "HR", "HU", "IE", "IM", "IS", "IT", "JE", "LI", "LT", "LU", "LV", "MC", "MD",
    "ME", "MK", "MT", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI", "SK", "SM", "UA", "VA",
];

impl Zone {
    /// The zone of an ISO 3166-1 alpha-2 code.
    #[must_use]
    pub fn of(country_code: &str) -> Self {
        match country_code {
            "GB" => Self::Domestic,
            code if EUROPE.contains(&code) => Self::Europe,
            _ => Self::World,
        }
    }

    /// The word that callers see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Domestic => "domestic",
            Self::Europe => "europe",
            Self::World => "world",
        }
    }
}

/// Why there is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// Heavier than [`Rates::WEIGHT_GRAMS_MAX`].
    #[error("no carrier takes more than 1,000,000 kg in one booking")]
    WeightTooLarge,
}

/// What one way of shipping costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Where it goes.
    pub zone: Zone,
    /// The price.
    pub cost: Money,
    /// Days to delivery, at the earliest.
    pub days_min: i32,
    /// Days to delivery, at the latest.
    pub days_max: i32,
}

/// The table: by zone the prices, in hundredths of a whole unit, of the bands up to 1, 5, 10 and
/// 30 kg and of every further 30 kg begun.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates;

const BAND_GRAMS: [i64; 4] = [1_000, 5_000, 10_000, 30_000];

impl Rates {
    /// The heaviest booking.
    pub const WEIGHT_GRAMS_MAX: i64 = 1_000_000_000;

    /// The price of a weight to a country. The table has one number for every currency's whole
    /// unit; a currency without decimals drops them, one with three gains a zero.
    ///
    /// # Errors
    /// [`RateError::WeightTooLarge`].
    pub fn quote(
        self,
        country_code: &str,
        weight_grams: i64,
        currency: Currency,
    ) -> Result<Quote, RateError> {
        if weight_grams > Self::WEIGHT_GRAMS_MAX {
            return Err(RateError::WeightTooLarge);
        }
        let zone = Zone::of(country_code);
        let (bands, per_further_30_kg, days_min, days_max) = match zone {
            Zone::Domestic => ([350, 550, 850, 1_500], 1_200, 1, 3),
            Zone::Europe => ([950, 1_450, 2_200, 4_500], 3_800, 3, 7),
            Zone::World => ([1_450, 3_200, 5_400, 12_000], 9_900, 5, 21),
        };
        let band = BAND_GRAMS
            .iter()
            .zip(bands)
            .find(|&(&limit, _)| weight_grams <= limit);
        let hundredths = match band {
            Some((_, price)) => price,
            None => {
                let [_, _, _, heaviest] = bands;
                let [_, _, _, full] = BAND_GRAMS;
                heaviest + (weight_grams - full + full - 1) / full * per_further_30_kg
            }
        };
        let minor = match currency.exponent() {
            0 => hundredths / 100,
            3 => hundredths * 10,
            _ => hundredths,
        };
        Ok(Quote {
            zone,
            cost: Money::new(minor, currency),
            days_min,
            days_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(country: &str, grams: i64) -> i64 {
        Rates
            .quote(country, grams, Currency::GBP)
            .unwrap()
            .cost
            .minor_units()
    }

    #[test]
    fn bands_include_their_upper_bound() {
        for (grams, pence) in [
            (0, 350),
            (1_000, 350),
            (1_001, 550),
            (30_000, 1_500),
            (30_001, 2_700),
            (60_000, 2_700),
            (60_001, 3_900),
        ] {
            assert_eq!(cost("GB", grams), pence, "{grams} g");
        }
    }

    #[test]
    fn farther_is_dearer() {
        assert!(cost("GB", 500) < cost("FR", 500) && cost("FR", 500) < cost("AU", 500));
    }

    #[test]
    fn the_heaviest_booking_has_a_price_and_one_gram_more_has_none() {
        let max = Rates::WEIGHT_GRAMS_MAX;

        assert!(Rates.quote("AU", max, Currency::GBP).is_ok());
        assert_eq!(
            Rates.quote("GB", max + 1, Currency::GBP),
            Err(RateError::WeightTooLarge)
        );
    }

    #[test]
    fn a_currency_keeps_its_own_decimals() {
        let minor = |currency| Rates.quote("GB", 0, currency).unwrap().cost.minor_units();

        assert_eq!((minor(Currency::JPY), minor(Currency::GBP)), (3, 350));
        assert_eq!(minor(Currency::KWD), 3_500);
    }
}
