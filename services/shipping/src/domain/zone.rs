//! How far away a country is.

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
    "ME", "MK", "MT", "NL", "NO", "PL", "PT", "RO", "RS", "SE", "SI", "SK", "SM", "UA", "VA", "XK",
];

impl Zone {
    /// The zone of an ISO 3166-1 alpha-2 code; none for what names no country: the codes that the
    /// standard leaves to its users, but for Kosovo's.
    #[must_use]
    pub fn of(country_code: &str) -> Option<Self> {
        match (country_code, country_code.as_bytes()) {
            ("GB", _) => Some(Self::Domestic),
            (code, _) if EUROPE.contains(&code) => Some(Self::Europe),
            ("AA" | "ZZ", _) | (_, [b'X', _] | [b'Q', b'M'..=b'Z']) => None,
            (_, [b'A'..=b'Z', b'A'..=b'Z']) => Some(Self::World),
            _ => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_has_one_zone() {
        for (code, zone) in [
            ("GB", Zone::Domestic),
            ("IE", Zone::Europe),
            ("XK", Zone::Europe),
            ("QA", Zone::World),
            ("ZA", Zone::World),
            ("US", Zone::World),
        ] {
            assert_eq!(Zone::of(code), Some(zone), "{code}");
        }
    }

    #[test]
    fn what_names_no_country_has_no_zone() {
        for code in [
            "ZZ", "AA", "QM", "QZ", "XA", "XX", "XZ", "gb", "", "G", "GBR", "G1",
        ] {
            assert_eq!(Zone::of(code), None, "{code}");
        }
    }
}
