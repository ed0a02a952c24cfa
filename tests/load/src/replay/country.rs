//! The retailer's names of countries as ISO 3166-1 codes.

const HOME: &str = "GB";

const CODES: &[(&str, &str)] = &[
    ("Australia", "AU"),
    ("Austria", "AT"),
    ("Bahrain", "BH"),
    ("Belgium", "BE"),
    ("Brazil", "BR"),
    ("Canada", "CA"),
    ("Channel Islands", "JE"),
    ("Cyprus", "CY"),
    ("Czech Republic", "CZ"),
    ("Denmark", "DK"),
    ("EIRE", "IE"),
    // It has no code; its seat has one.
    ("European Community", "BE"),
    ("Finland", "FI"),
    ("France", "FR"),
    ("Germany", "DE"),
    ("Greece", "GR"),
    ("Hong Kong", "HK"),
    ("Iceland", "IS"),
    ("Israel", "IL"),
    ("Italy", "IT"),
    ("Japan", "JP"),
    ("Korea", "KR"),
    ("Lebanon", "LB"),
    ("Lithuania", "LT"),
    ("Malta", "MT"),
    ("Netherlands", "NL"),
    ("Nigeria", "NG"),
    ("Norway", "NO"),
    ("Poland", "PL"),
    ("Portugal", "PT"),
    ("RSA", "ZA"),
    ("Saudi Arabia", "SA"),
    ("Singapore", "SG"),
    ("Spain", "ES"),
    ("Sweden", "SE"),
    ("Switzerland", "CH"),
    ("Thailand", "TH"),
    ("USA", "US"),
    ("United Arab Emirates", "AE"),
    ("United Kingdom", HOME),
    ("West Indies", "BB"),
];

/// The code of a country; an unknown or unspecified one is taken for the retailer's own.
pub(super) fn code(name: &str) -> &'static str {
    let known = CODES.iter().find(|(known, _)| *known == name);
    known.map_or(HOME, |(_, code)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_has_its_code_and_no_country_is_home() {
        assert_eq!(code("EIRE"), "IE");
        assert_eq!(code("United Kingdom"), "GB");
        assert_eq!(code("Unspecified"), "GB");
    }
}
