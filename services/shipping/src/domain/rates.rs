//! What a parcel costs: a table by zone and weight. Integers only.

use tradepost_types::{Currency, Money};

use super::parcel::Refusal;
use super::zone::Zone;

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
    /// [`Refusal::WeightTooLarge`], [`Refusal::DestinationNotServed`].
    pub fn quote(
        self,
        country_code: &str,
        weight_grams: i64,
        currency: Currency,
    ) -> Result<Quote, Refusal> {
        if weight_grams > Self::WEIGHT_GRAMS_MAX {
            return Err(Refusal::WeightTooLarge);
        }
        let zone = Zone::of(country_code).ok_or(Refusal::DestinationNotServed)?;
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
    fn every_band_of_every_zone_includes_its_upper_bound() {
        let edges = [
            (0, [350, 950, 1_450]),
            (1_000, [350, 950, 1_450]),
            (1_001, [550, 1_450, 3_200]),
            (5_000, [550, 1_450, 3_200]),
            (5_001, [850, 2_200, 5_400]),
            (10_000, [850, 2_200, 5_400]),
            (10_001, [1_500, 4_500, 12_000]),
            (30_000, [1_500, 4_500, 12_000]),
            (30_001, [2_700, 8_300, 21_900]),
            (60_000, [2_700, 8_300, 21_900]),
            (60_001, [3_900, 12_100, 31_800]),
        ];
        for (grams, prices) in edges {
            assert_eq!(
                ["GB", "FR", "AU"].map(|country| cost(country, grams)),
                prices
            );
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
            Err(Refusal::WeightTooLarge)
        );
    }

    #[test]
    fn a_code_that_names_no_country_is_not_served() {
        assert_eq!(
            Rates.quote("ZZ", 1, Currency::GBP),
            Err(Refusal::DestinationNotServed)
        );
    }

    #[test]
    fn a_currency_keeps_its_own_decimals() {
        let minor = |currency| Rates.quote("GB", 0, currency).unwrap().cost.minor_units();

        assert_eq!((minor(Currency::JPY), minor(Currency::GBP)), (3, 350));
        assert_eq!(minor(Currency::KWD), 3_500);
    }
}
