//! What an application asks a user for, and what came of it.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::{IntoParams, ToSchema};

use crate::application::AuthorizationWish;

/// What an application asks a user for (RFC 6749, section 4.1.1; RFC 7636, section 4.3). What it
/// says beyond that is left alone, as the RFC wants it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// The application.
    #[param(example = "client_01h455vb4pex5vsknk084sn02q")]
    client_id: String,
    /// Where the user is to be sent back to, as the application has registered it.
    redirect_uri: String,
    /// `code`.
    #[serde(default)]
    #[param(required = false, nullable = false, example = "code")]
    response_type: Option<String>,
    /// What it wants to do: permissions with a space between two; left out: all that it may.
    #[serde(default)]
    #[param(required = false, nullable = false)]
    scope: Option<String>,
    /// Comes back as it is.
    #[serde(default)]
    #[param(required = false, nullable = false, max_length = 1000)]
    state: Option<String>,
    /// SHA-256 of the verifier, in base64url.
    #[serde(default)]
    #[param(required = false, nullable = false)]
    code_challenge: Option<String>,
    /// `S256`.
    #[serde(default)]
    #[param(required = false, nullable = false, example = "S256")]
    code_challenge_method: Option<String>,
}

impl Asked {
    pub(super) fn wish(&self) -> AuthorizationWish {
        AuthorizationWish {
            client_id: self.client_id.clone(),
            redirect_uri: self.redirect_uri.clone(),
            response_type: self.response_type.clone(),
            scope: self.scope.clone(),
            code_challenge: self.code_challenge.clone(),
            code_challenge_method: self.code_challenge_method.clone(),
        }
    }

    pub(super) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The parameters as they came.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("client_id", Some(self.client_id.as_str())),
            ("redirect_uri", Some(self.redirect_uri.as_str())),
            ("response_type", self.response_type.as_deref()),
            ("scope", self.scope.as_deref()),
            ("state", self.state.as_deref()),
            ("code_challenge", self.code_challenge.as_deref()),
            (
                "code_challenge_method",
                self.code_challenge_method.as_deref(),
            ),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// What the user was asked, and what they said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAuthorization {
    /// The application.
    #[schema(example = "client_01h455vb4pex5vsknk084sn02q")]
    client_id: String,
    /// Where the user is to be sent back to.
    #[schema(example = "https://books.example/callback")]
    redirect_uri: String,
    /// `code`.
    #[schema(example = "code")]
    response_type: String,
    /// What it wants to do: permissions with a space between two; left out: all that it may.
    #[schema(nullable = false, example = "orders:read")]
    scope: Option<String>,
    /// Comes back as it is.
    #[schema(nullable = false, max_length = 1000)]
    state: Option<String>,
    /// SHA-256 of the verifier, in base64url.
    #[schema(
        nullable = false,
        example = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )]
    code_challenge: Option<String>,
    /// `S256`.
    #[schema(nullable = false, example = "S256")]
    code_challenge_method: Option<String>,
    /// Whether the user agrees.
    approved: bool,
}

impl NewAuthorization {
    pub(super) fn wish(&self) -> AuthorizationWish {
        AuthorizationWish {
            client_id: self.client_id.clone(),
            redirect_uri: self.redirect_uri.clone(),
            response_type: Some(self.response_type.clone()),
            scope: self.scope.clone(),
            code_challenge: self.code_challenge.clone(),
            code_challenge_method: self.code_challenge_method.clone(),
        }
    }

    pub(super) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    pub(super) const fn is_approved(&self) -> bool {
        self.approved
    }
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthorizationAnswer)]
pub(super) struct Answer {
    /// Where to send the browser.
    #[schema(
        example = "https://books.example/callback?code=x&state=y&iss=https%3A%2F%2Fapi.example"
    )]
    redirect_to: String,
}

impl Answer {
    pub(super) fn to(url: &Url) -> Self {
        Self {
            redirect_to: url.to_string(),
        }
    }
}
