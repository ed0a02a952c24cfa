//! How an amount is written: exact, with the decimals of its currency.

use tradepost_types::Money;

use super::Locale;

/// Between a number and its currency, and in French between thousands: a line never breaks there.
const NO_BREAK: char = '\u{a0}';

/// E.g. `EUR 1,234.50`, `1.234,50 EUR`, `JPY 1,234`.
pub(super) fn amount(money: Money, locale: Locale) -> String {
    let (thousands, point) = match locale {
        Locale::En => (',', '.'),
        Locale::De => ('.', ','),
        Locale::Fr => (NO_BREAK, ','),
    };
    let number = number(money, thousands, point);
    let currency = money.currency();
    match locale {
        Locale::En => format!("{currency}{NO_BREAK}{number}"),
        Locale::De | Locale::Fr => format!("{number}{NO_BREAK}{currency}"),
    }
}

fn number(money: Money, thousands: char, point: char) -> String {
    let exponent = money.currency().exponent();
    let unit = 10_u64.pow(exponent);
    let minor = money.minor_units().unsigned_abs();
    let sign = if money.minor_units() < 0 { "-" } else { "" };
    let whole = grouped(minor / unit, thousands);
    if exponent == 0 {
        return format!("{sign}{whole}");
    }
    let width = exponent as usize;
    format!("{sign}{whole}{point}{:0width$}", minor % unit)
}

fn grouped(whole: u64, thousands: char) -> String {
    let digits = whole.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(thousands);
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use tradepost_types::Currency;

    use super::*;

    #[test]
    fn an_amount_has_the_decimals_of_its_currency_and_the_marks_of_its_language() {
        let table = [
            (1_234_550, Currency::EUR, Locale::En, "EUR 12,345.50"),
            (1_234_550, Currency::EUR, Locale::De, "12.345,50 EUR"),
            (1_234_550, Currency::EUR, Locale::Fr, "12 345,50 EUR"),
            (1_234, Currency::JPY, Locale::En, "JPY 1,234"),
            (1_234, Currency::JPY, Locale::De, "1.234 JPY"),
            (1_002_003, Currency::KWD, Locale::De, "1.002,003 KWD"),
            (5, Currency::GBP, Locale::En, "GBP 0.05"),
            (0, Currency::GBP, Locale::En, "GBP 0.00"),
            (0, Currency::CLP, Locale::Fr, "0 CLP"),
            (99_999, Currency::USD, Locale::En, "USD 999.99"),
            (100_000, Currency::USD, Locale::En, "USD 1,000.00"),
            (-123_456, Currency::CHF, Locale::De, "-1.234,56 CHF"),
            (
                i64::MIN,
                Currency::EUR,
                Locale::En,
                "EUR -92,233,720,368,547,758.08",
            ),
        ];
        for (minor, currency, locale, wanted) in table {
            let text = amount(Money::new(minor, currency), locale);
            assert_eq!(text.replace(NO_BREAK, " "), wanted, "{locale:?}");
        }
    }
}
