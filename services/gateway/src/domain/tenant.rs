//! A tenant: a shop, and what it may use.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;
use tradepost_types::TenantId;

use super::caller::Plan;

const NAME_CHARS_MAX: usize = 200;
const FEATURE_CHARS_MAX: usize = 64;
/// The most feature flags of a tenant.
pub const FEATURES_MAX: usize = 100;
/// The most origins of a tenant.
pub const ORIGINS_MAX: usize = 50;
const ORIGIN_LEN_MAX: usize = 255;

/// What is wrong with a part of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantFault {
    /// Its name.
    #[error("must have 1 to {NAME_CHARS_MAX} characters, none of them a control character")]
    Name,
    /// The name of a feature.
    #[error("must have 1 to {FEATURE_CHARS_MAX} characters of a to z, 0 to 9 and _")]
    Feature,
    /// More features than anybody has.
    #[error("must not have more than {FEATURES_MAX} entries")]
    Features,
    /// The origin of a page.
    #[error("must be an origin such as https://shop.example.com: no path, no wildcard")]
    Origin,
    /// More origins than anybody has.
    #[error("must not have more than {ORIGINS_MAX} entries")]
    Origins,
}

/// What a tenant is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantName(String);

impl TenantName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantName {
    type Err = TenantFault;

    fn from_str(text: &str) -> Result<Self, TenantFault> {
        let text = text.trim();
        let chars = text.chars().count();
        let sound = (1..=NAME_CHARS_MAX).contains(&chars) && !text.chars().any(char::is_control);
        let name = sound.then(|| Self(text.to_owned()));
        name.ok_or(TenantFault::Name)
    }
}

/// The origin of a page in a browser, exactly as the browser sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = TenantFault;

    fn from_str(text: &str) -> Result<Self, TenantFault> {
        let host = ["https://", "http://"]
            .into_iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let sound = host.is_some_and(|host| {
            let plain = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte)
            };
            !host.is_empty() && host.bytes().all(plain) && text.len() <= ORIGIN_LEN_MAX
        });
        let origin = sound.then(|| Self(text.to_owned()));
        origin.ok_or(TenantFault::Origin)
    }
}

/// Feature flags by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features(BTreeMap<String, bool>);

impl Features {
    /// Flags of these names.
    ///
    /// # Errors
    /// [`TenantFault`] for a name that is none, or too many of them.
    pub fn new(flags: BTreeMap<String, bool>) -> Result<Self, TenantFault> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        for name in flags.keys() {
            let short = (1..=FEATURE_CHARS_MAX).contains(&name.len());
            if !short || !name.bytes().all(plain) {
                return Err(TenantFault::Feature);
            }
        }
        if flags.len() > FEATURES_MAX {
            return Err(TenantFault::Features);
        }
        Ok(Self(flags))
    }

    /// Whether a feature is switched on; one that is not named is off.
    #[must_use]
    pub fn is_on(&self, name: &str) -> bool {
        self.0.get(name).copied().unwrap_or(false)
    }

    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> &BTreeMap<String, bool> {
        &self.0
    }
}

/// Whether a tenant may use the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantState {
    /// It may.
    Active,
    /// It may not, until it is resumed.
    Suspended,
}

impl TenantState {
    /// The text in tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

impl FromStr for TenantState {
    type Err = super::rights::Unknown;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Active, Self::Suspended]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| super::rights::Unknown(text.to_owned()))
    }
}

impl fmt::Display for TenantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// What it is called.
    pub name: TenantName,
    /// What it has paid for.
    pub plan: Plan,
    /// Whether it may use the platform.
    pub state: TenantState,
    /// Feature flags.
    pub features: Features,
    /// The pages that may call for it.
    pub cors_origins: Vec<Origin>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_taken_only_as_browsers_send_it() {
        for text in [
            "https://shop.example.com",
            "http://localhost:3000",
            "https://[::1]:8443",
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), text);
        }
        let others = [
            "*",
            "https://*",
            "https://a/",
            "https://A.com",
            "ftp://a",
            "https://",
            "null",
        ];
        for text in others {
            assert_eq!(text.parse::<Origin>(), Err(TenantFault::Origin), "{text}");
        }
    }

    #[test]
    fn a_feature_that_is_not_named_is_off() {
        let flags = [("beta_search".to_owned(), true), ("old".to_owned(), false)];
        let features = Features::new(flags.into()).unwrap();

        assert!(features.is_on("beta_search"));
        assert!(!features.is_on("old") && !features.is_on("other"));
        let upper = Features::new([("Beta".to_owned(), true)].into());
        assert_eq!(upper, Err(TenantFault::Feature));
    }
}
