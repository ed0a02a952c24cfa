//! The languages that people are told in.

use std::str::FromStr;

/// The text names no language that we have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a locale is one of en, de and fr")]
pub struct UnknownLocale;

/// A language, with its way to write amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
}

impl Locale {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::En, Self::De, Self::Fr];

    /// As it is written in configuration and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Fr => "fr",
        }
    }
}

impl FromStr for Locale {
    type Err = UnknownLocale;

    fn from_str(text: &str) -> Result<Self, UnknownLocale> {
        let known = Self::ALL.into_iter().find(|locale| locale.name() == text);
        known.ok_or(UnknownLocale)
    }
}
