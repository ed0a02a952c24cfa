//! API keys and OAuth.

use garde::Validate;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::api_key::Mode;

/// API keys and OAuth.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialsConfig {
    /// What API keys begin with: `live` (`tp_live_`) or `test` (`tp_test_`). Keys of the other kind
    /// are refused unseen, so that one that strayed does nothing.
    #[garde(skip)]
    pub key_mode: KeyMode,
    /// The page where users log in and let an application act for them: `GET /oauth/authorize`
    /// sends them there with the parameters it got. Without it there is no such route.
    #[garde(custom(is_page))]
    pub login_url: Option<Url>,
}

/// What kind of installation this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyMode {
    /// Real orders and real money.
    #[default]
    Live,
    /// Neither.
    Test,
}

impl From<KeyMode> for Mode {
    fn from(mode: KeyMode) -> Self {
        match mode {
            KeyMode::Live => Self::Live,
            KeyMode::Test => Self::Test,
        }
    }
}

#[expect(clippy::ref_option, reason = "garde hands out the field")]
fn is_page(url: &Option<Url>, (): &()) -> garde::Result {
    match url {
        Some(url) if !["http", "https"].contains(&url.scheme()) || url.query().is_some() => Err(
            garde::Error::new("must be a URL of http or https without a query"),
        ),
        Some(_) | None => Ok(()),
    }
}
