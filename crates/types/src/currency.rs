//! ISO 4217 currencies with their exponents.

use std::fmt;
use std::str::FromStr;

/// The text is not the code of a currency we trade in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown currency code; use an ISO 4217 code such as GBP, in upper case")]
pub struct UnknownCurrency;

macro_rules! currencies {
    ($($code:ident $exponent:literal $name:literal),+ $(,)?) => {
        /// A currency of ISO 4217. The exponent is the number of decimals of its minor unit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Currency {
            $(#[doc = $name] $code,)+
        }

        impl Currency {
            /// Every currency, in the order of the codes.
            pub const ALL: &'static [Self] = &[$(Self::$code),+];

            /// The three letters of ISO 4217.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$code => stringify!($code)),+ }
            }

            /// How many decimals the minor unit has: 0 (yen), 2 (pence) or 3 (fils).
            #[must_use]
            pub const fn exponent(self) -> u32 {
                match self { $(Self::$code => $exponent),+ }
            }
        }

        impl FromStr for Currency {
            type Err = UnknownCurrency;

            fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
                match code { $(stringify!($code) => Ok(Self::$code),)+ _ => Err(UnknownCurrency) }
            }
        }
    };
}

currencies! {
    AED 2 "United Arab Emirates dirham.",
    AUD 2 "Australian dollar.",
    BGN 2 "Bulgarian lev.",
    BHD 3 "Bahraini dinar.",
    BRL 2 "Brazilian real.",
    CAD 2 "Canadian dollar.",
    CHF 2 "Swiss franc.",
    CLP 0 "Chilean peso.",
    CNY 2 "Renminbi.",
    CZK 2 "Czech koruna.",
    DKK 2 "Danish krone.",
    EUR 2 "Euro.",
    GBP 2 "Pound sterling.",
    HKD 2 "Hong Kong dollar.",
    HUF 2 "Hungarian forint.",
    IDR 2 "Indonesian rupiah.",
    ILS 2 "Israeli new shekel.",
    INR 2 "Indian rupee.",
    ISK 0 "Icelandic króna.",
    JOD 3 "Jordanian dinar.",
    JPY 0 "Yen.",
    KRW 0 "South Korean won.",
    KWD 3 "Kuwaiti dinar.",
    MXN 2 "Mexican peso.",
    MYR 2 "Malaysian ringgit.",
    NOK 2 "Norwegian krone.",
    NZD 2 "New Zealand dollar.",
    OMR 3 "Omani rial.",
    PHP 2 "Philippine peso.",
    PLN 2 "Polish złoty.",
    RON 2 "Romanian leu.",
    SAR 2 "Saudi riyal.",
    SEK 2 "Swedish krona.",
    SGD 2 "Singapore dollar.",
    THB 2 "Thai baht.",
    TND 3 "Tunisian dinar.",
    TRY 2 "Turkish lira.",
    TWD 2 "New Taiwan dollar.",
    USD 2 "United States dollar.",
    VND 0 "Vietnamese đồng.",
    ZAR 2 "South African rand.",
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_parses_to_its_own_currency() {
        for currency in Currency::ALL {
            assert_eq!(currency.code().parse(), Ok(*currency));
        }
    }

    #[test]
    fn lower_case_and_unknown_codes_are_refused() {
        for code in ["gbp", "XXX", "", "GBPX"] {
            assert_eq!(code.parse::<Currency>(), Err(UnknownCurrency), "{code}");
        }
    }

    #[test]
    fn exponents_follow_iso_4217() {
        assert_eq!(Currency::JPY.exponent(), 0);
        assert_eq!(Currency::GBP.exponent(), 2);
        assert_eq!(Currency::KWD.exponent(), 3);
    }
}
