//! What is told of orders.

use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::domain::Locale;

/// What is told of orders, where there is a broker.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct FeedConfig {
    /// In which language: `en`, `de` or `fr`.
    #[garde(skip)]
    pub locale: FeedLocale,
}

/// A language, as configuration writes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedLocale {
    /// English.
    #[default]
    En,
    /// German.
    De,
    /// French.
    Fr,
}

impl From<FeedLocale> for Locale {
    fn from(locale: FeedLocale) -> Self {
        match locale {
            FeedLocale::En => Self::En,
            FeedLocale::De => Self::De,
            FeedLocale::Fr => Self::Fr,
        }
    }
}
