//! How a service reaches its database: three roles, one pool each for two of them, and the limits.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use sqlx::postgres::PgConnectOptions;
use url::Url;

use crate::DbError;

/// The database section of a service's configuration.
#[derive(Debug, Clone, Deserialize, Serialize, garde::Validate)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// URL for the role that serves requests, a member of `tradepost_app`.
    #[serde(serialize_with = "masked")]
    #[garde(custom(is_postgres_url))]
    pub url: SecretString,
    /// URL for the role of consumers, relay and sweepers, a member of `tradepost_system`.
    #[serde(serialize_with = "masked")]
    #[garde(custom(is_postgres_url))]
    pub system_url: SecretString,
    /// URL for the role that owns the database and runs migrations. Absent: the service only
    /// checks that the schema is the one it was built for.
    #[serde(default, serialize_with = "masked_option")]
    #[garde(inner(custom(is_postgres_url)))]
    pub owner_url: Option<SecretString>,
    /// Connections per pool, of which there are two.
    #[serde(default = "default_max_connections")]
    #[garde(range(min = 1, max = 100))]
    pub max_connections: u32,
    /// How long a caller waits for a connection before it is told "unavailable".
    #[serde(default = "default_acquire_timeout_ms")]
    #[garde(range(min = 10, max = 60_000))]
    pub acquire_timeout_ms: u64,
    /// The server cancels a statement that runs longer.
    #[serde(default = "default_statement_timeout_ms")]
    #[garde(range(min = 10, max = 600_000))]
    pub statement_timeout_ms: u64,
    /// The server gives up on a lock after this long.
    #[serde(default = "default_lock_timeout_ms")]
    #[garde(range(min = 10, max = 600_000))]
    pub lock_timeout_ms: u64,
    /// The server ends a session that idles inside a transaction for longer: the last line of
    /// defence against a transaction that nobody finishes.
    #[serde(default = "default_idle_in_transaction_timeout_ms")]
    #[garde(range(min = 100, max = 600_000))]
    pub idle_in_transaction_timeout_ms: u64,
}

impl DatabaseConfig {
    /// A configuration with the default limits and no owner role.
    #[must_use]
    pub fn new(url: impl Into<SecretString>, system_url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            system_url: system_url.into(),
            owner_url: None,
            max_connections: default_max_connections(),
            acquire_timeout_ms: default_acquire_timeout_ms(),
            statement_timeout_ms: default_statement_timeout_ms(),
            lock_timeout_ms: default_lock_timeout_ms(),
            idle_in_transaction_timeout_ms: default_idle_in_transaction_timeout_ms(),
        }
    }

    pub(crate) fn acquire_timeout(&self) -> Duration {
        Duration::from_millis(self.acquire_timeout_ms)
    }

    /// Options for a pooled session of one of the two serving roles.
    pub(crate) fn session_options(
        &self,
        url: &SecretString,
        application_name: &str,
    ) -> Result<PgConnectOptions, DbError> {
        let options = connect_options(url)?
            .application_name(application_name)
            .options([
                ("statement_timeout", self.statement_timeout_ms.to_string()),
                ("lock_timeout", self.lock_timeout_ms.to_string()),
                (
                    "idle_in_transaction_session_timeout",
                    self.idle_in_transaction_timeout_ms.to_string(),
                ),
            ]);
        Ok(options)
    }
}

/// Parses the URL without ever putting it, and the password in it, into an error.
pub(crate) fn connect_options(url: &SecretString) -> Result<PgConnectOptions, DbError> {
    url.expose_secret().parse().map_err(DbError::Query)
}

fn is_postgres_url(url: &SecretString, _context: &()) -> garde::Result {
    match Url::parse(url.expose_secret()) {
        Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => Ok(()),
        Ok(url) => Err(garde::Error::new(format!(
            "must start with postgres://, not {}://",
            url.scheme()
        ))),
        Err(error) => Err(garde::Error::new(format!("is not a URL: {error}"))),
    }
}

fn mask(url: &SecretString) -> String {
    const MASK: &str = "***";
    let Ok(mut url) = Url::parse(url.expose_secret()) else {
        return MASK.to_owned();
    };
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return MASK.to_owned();
    }
    // The query string may carry a password as well.
    if url.query().is_some() {
        url.set_query(Some(MASK));
    }
    url.into()
}

fn masked<S: Serializer>(url: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&mask(url))
}

fn masked_option<S: Serializer>(
    url: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    url.as_ref().map(mask).serialize(serializer)
}

const fn default_max_connections() -> u32 {
    8
}

const fn default_acquire_timeout_ms() -> u64 {
    1_000
}

const fn default_statement_timeout_ms() -> u64 {
    5_000
}

const fn default_lock_timeout_ms() -> u64 {
    2_000
}

const fn default_idle_in_transaction_timeout_ms() -> u64 {
    10_000
}
