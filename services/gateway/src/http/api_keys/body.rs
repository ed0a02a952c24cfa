//! API keys as JSON.

use axum::Json;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tradepost_service::page::Page;
use utoipa::{IntoParams, ToSchema};

use crate::application::{KeyWish, ManageFault, ShownOnce};
use crate::domain::api_key;
use crate::domain::rights::Rights;
use crate::http::problem::Problem;
use crate::http::values::{Time, text};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewApiKey {
    /// What people call it.
    #[schema(
        min_length = 1,
        max_length = 100,
        example = "Till of the shop in Leeds"
    )]
    name: String,
    /// What it allows: permissions with a space between two, none but your own.
    #[schema(example = "orders:place orders:read")]
    scope: String,
    /// The networks it may be used from; left out: from everywhere.
    #[serde(default)]
    #[schema(max_items = 50, example = json!(["203.0.113.0/24"]))]
    networks: Vec<String>,
    /// When it runs out, at most a year from now; left out: 90 days from now.
    #[schema(nullable = false)]
    expire_time: Option<Time>,
}

impl NewApiKey {
    pub(super) fn into_wish(self, request_id: String) -> Result<KeyWish, Problem> {
        let networks = self.networks.iter().enumerate().map(|(at, network)| {
            network
                .parse()
                .map_err(|fault: crate::domain::network::NetworkFault| {
                    let detail = format!("/networks/{at} {fault}");
                    Problem::new(StatusCode::BAD_REQUEST, "INVALID_FIELD", detail)
                        .pointer(format!("/networks/{at}"), &fault.to_string())
                })
        });
        Ok(KeyWish {
            scope: scope(&self.scope)?,
            networks: networks.collect::<Result<_, _>>()?,
            name: self.name,
            request_id,
            expires_at: self.expire_time.map(OffsetDateTime::from),
        })
    }
}

/// Reads a scope: a word that is none of ours is a wish that cannot be granted.
pub(in crate::http) fn scope(scope: &str) -> Result<Rights, Problem> {
    scope.parse().map_err(|_unknown| {
        ManageFault::Field {
            field: "scope",
            fault: "must be permissions with a space between two".to_owned(),
        }
        .into()
    })
}

/// How a key gets its new secret.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSecret {
    /// Until when the secret it has goes on, at most seven days from now; left out: a day.
    #[schema(nullable = false)]
    previous_until: Option<Time>,
}

impl NewSecret {
    pub(super) fn previous_until(self) -> Option<OffsetDateTime> {
        self.previous_until.map(OffsetDateTime::from)
    }
}

/// A key of a program.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiKey {
    /// Its id.
    #[schema(example = "key_01h455vb4pex5vsknk084sn02q")]
    key_id: String,
    /// What people call it.
    name: String,
    /// What it allows: permissions with a space between two.
    scope: String,
    /// The networks it may be used from; none: from everywhere.
    networks: Vec<String>,
    /// Who made it.
    created_by: String,
    /// When it was made.
    create_time: Time,
    /// When it runs out.
    expire_time: Time,
    /// When it was last used, give or take five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_use_time: Option<Time>,
    /// Until when the secret before the last goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    previous_until: Option<Time>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    revoke_time: Option<Time>,
}

impl From<api_key::ApiKey> for ApiKey {
    fn from(key: api_key::ApiKey) -> Self {
        Self {
            key_id: key.id.to_string(),
            name: key.name,
            scope: key.scope.to_string(),
            networks: key.networks.iter().map(ToString::to_string).collect(),
            created_by: key.created_by.to_string(),
            create_time: key.created_at.into(),
            expire_time: key.expires_at.into(),
            last_use_time: key.last_used_at.map(Time::from),
            previous_until: key.previous_until.map(Time::from),
            revoke_time: key.revoked_at.map(Time::from),
        }
    }
}

/// A key that was made or got a new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeApiKey {
    /// The key.
    api_key: ApiKey,
    /// What programs send: `Authorization: Bearer tp_live_…` or `X-Api-Key: tp_live_…`. It is shown
    /// once: the answer to a repeated request has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
}

impl MadeApiKey {
    pub(super) fn answer(shown: ShownOnce<api_key::ApiKey>) -> (StatusCode, Json<Self>) {
        let status = match shown.made.is_replayed {
            true => StatusCode::OK,
            false => StatusCode::CREATED,
        };
        let secret = shown.secret.map(|secret| secret.expose_secret().to_owned());
        let api_key = shown.made.made.into();
        (status, Json(Self { api_key, secret }))
    }
}

/// Which page of keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ApiKeyFilter {
    /// Keys a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    pub(super) page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    pub(super) page_token: String,
}

/// A page of keys.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiKeyPage {
    /// Oldest first.
    api_keys: Vec<ApiKey>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl From<Page<api_key::ApiKey>> for ApiKeyPage {
    fn from(page: Page<api_key::ApiKey>) -> Self {
        Self {
            api_keys: page.items.into_iter().map(ApiKey::from).collect(),
            next_page_token: text(page.next_page_token),
        }
    }
}
