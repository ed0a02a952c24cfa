//! OAuth clients as JSON.

use axum::Json;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tradepost_service::page::Page;
use utoipa::{IntoParams, ToSchema};

use crate::application::{ClientWish, ShownOnce};
use crate::domain::oauth::{Client, ClientKind, RedirectUri};
use crate::http::api_keys::scope;
use crate::http::problem::Problem;
use crate::http::values::{Time, text};

/// Whether a client can keep a secret.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum OAuthClientKind {
    /// A server: it has a secret.
    Confidential,
    /// An app on a device or in a page: it has none, and acts for users only.
    Public,
}

impl From<ClientKind> for OAuthClientKind {
    fn from(kind: ClientKind) -> Self {
        match kind {
            ClientKind::Confidential => Self::Confidential,
            ClientKind::Public => Self::Public,
        }
    }
}

/// A client to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOAuthClient {
    /// What people call it.
    #[schema(min_length = 1, max_length = 100, example = "Bookkeeping")]
    name: String,
    /// Whether it can keep a secret.
    kind: OAuthClientKind,
    /// Where users may be sent back to, character by character: https, or http to `127.0.0.1` or
    /// `[::1]` with any port.
    #[serde(default)]
    #[schema(max_items = 10, example = json!(["https://books.example/callback"]))]
    redirect_uris: Vec<String>,
    /// The most it may ask for: permissions with a space between two, none but your own.
    #[schema(example = "orders:read payments:read")]
    scope: String,
}

impl NewOAuthClient {
    pub(super) fn into_wish(self, request_id: String) -> Result<ClientWish, Problem> {
        let places = self.redirect_uris.iter().enumerate().map(|(at, uri)| {
            RedirectUri::parse(uri).map_err(|fault| {
                let detail = format!("/redirect_uris/{at} {fault}");
                Problem::new(StatusCode::BAD_REQUEST, "INVALID_FIELD", detail)
                    .pointer(format!("/redirect_uris/{at}"), &fault.to_string())
            })
        });
        Ok(ClientWish {
            redirect_uris: places.collect::<Result<_, _>>()?,
            scope: scope(&self.scope)?,
            name: self.name,
            request_id,
            kind: match self.kind {
                OAuthClientKind::Confidential => ClientKind::Confidential,
                OAuthClientKind::Public => ClientKind::Public,
            },
        })
    }
}

/// A service account, or an application that acts for users.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OAuthClient {
    /// Its id.
    #[schema(example = "client_01h455vb4pex5vsknk084sn02q")]
    client_id: String,
    /// What people call it.
    name: String,
    /// Whether it can keep a secret.
    kind: OAuthClientKind,
    /// Where users may be sent back to.
    redirect_uris: Vec<String>,
    /// The most it may ask for: permissions with a space between two.
    scope: String,
    /// Who made it.
    created_by: String,
    /// When it was made.
    create_time: Time,
}

impl From<Client> for OAuthClient {
    fn from(client: Client) -> Self {
        let places = client.redirect_uris.iter();
        Self {
            client_id: client.id.to_string(),
            name: client.name,
            kind: client.kind.into(),
            redirect_uris: places.map(ToString::to_string).collect(),
            scope: client.scope.to_string(),
            created_by: client.created_by.to_string(),
            create_time: client.created_at.into(),
        }
    }
}

/// A client that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeOAuthClient {
    /// The client.
    client: OAuthClient,
    /// Its secret, if it can keep one. It is shown once: the answer to a repeated request has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_secret: Option<String>,
}

impl MadeOAuthClient {
    pub(super) fn answer(shown: ShownOnce<Client>) -> (StatusCode, Json<Self>) {
        let status = match shown.made.is_replayed {
            true => StatusCode::OK,
            false => StatusCode::CREATED,
        };
        let client_secret = shown.secret.map(|secret| secret.expose_secret().to_owned());
        let client = shown.made.made.into();
        let made = Self {
            client,
            client_secret,
        };
        (status, Json(made))
    }
}

/// Which page of clients.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OAuthClientFilter {
    /// Clients a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    pub(super) page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    pub(super) page_token: String,
}

/// A page of clients.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OAuthClientPage {
    /// Oldest first.
    clients: Vec<OAuthClient>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl From<Page<Client>> for OAuthClientPage {
    fn from(page: Page<Client>) -> Self {
        Self {
            clients: page.items.into_iter().map(OAuthClient::from).collect(),
            next_page_token: text(page.next_page_token),
        }
    }
}
