//! The numbers of a line, read exactly: no float comes near them.

/// Pence in a pound, as the number of its decimals.
const PENCE_DECIMALS: usize = 2;

/// A whole number of units; it may be 0 or negative.
pub(super) fn quantity(text: &str) -> Result<i64, String> {
    let text = text.trim();
    text.parse()
        .map_err(|_not_whole| format!("the quantity {text:?} is not a whole number"))
}

/// A price in pence, or `None` if it is 0, negative or has a fraction of a penny.
pub(super) fn price(text: &str) -> Result<Option<i64>, String> {
    let text = text.trim();
    let fault = || format!("the price {text:?} is not a decimal number");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits_only(whole) || !digits_only(fraction) {
        return Err(fault());
    }
    let fraction = fraction.trim_end_matches('0');
    if negative || fraction.len() > PENCE_DECIMALS {
        return Ok(None);
    }
    let pence: i64 = format!("{whole}{fraction:0<PENCE_DECIMALS$}")
        .parse()
        .map_err(|_too_large| format!("the price {text:?} is too large"))?;
    Ok((pence > 0).then_some(pence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_exactly() {
        for (text, pence) in [
            ("2.55", Some(255)),
            ("2.5", Some(250)),
            ("2", Some(200)),
            ("2.", Some(200)),
            (" 2.550 ", Some(255)),
            ("0.01", Some(1)),
            ("11586.5", Some(1_158_650)),
            ("92233720368547758.07", Some(i64::MAX)),
            ("0.001", None),
            ("2.555", None),
            ("0", None),
            ("0.00", None),
            ("-0.00", None),
            ("-11062.06", None),
        ] {
            assert_eq!(price(text), Ok(pence), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_an_error_not_dirt() {
        for text in [
            "",
            ".",
            ".5",
            "1,50",
            "£2",
            "1e3",
            "+1",
            "--1",
            "92233720368547758.08",
        ] {
            assert!(price(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quantities_are_whole_numbers() {
        assert_eq!(quantity(" -80995 "), Ok(-80_995));
        assert!(quantity("1.5").is_err());
        assert!(quantity("").is_err());
    }
}
