//! What is audited, and how patiently.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::check::Service;

/// Where the system is, and what is expected of it.
#[derive(Debug, Clone)]
pub struct Targets {
    /// The cluster of the services' databases, as a role that sees every row.
    pub postgres_url: String,
    /// The databases that are not named like their service, and those of the metrics and
    /// notification services if they are audited.
    pub databases: Vec<DatabaseName>,
    /// The log of the card provider: the witness for money.
    pub provider_log: PathBuf,
    /// How long the system may take to come to rest.
    pub wait: Duration,
    /// How late the clock's work (timers, expiries) may be.
    pub grace: Duration,
    /// How many parked messages there are, if exactly so many are known to be poison.
    pub parked_expected: u64,
}

impl Targets {
    /// Databases named like their services, half a minute to come to rest, no poison.
    #[must_use]
    pub fn new(postgres_url: impl Into<String>, provider_log: impl Into<PathBuf>) -> Self {
        Self {
            postgres_url: postgres_url.into(),
            databases: Vec::new(),
            provider_log: provider_log.into(),
            wait: Duration::from_secs(30),
            grace: Duration::from_secs(60),
            parked_expected: 0,
        }
    }

    /// Whether the service's database is looked at. A shop may do without metrics and notifications,
    /// so that they must be named.
    pub(crate) fn audits(&self, service: Service) -> bool {
        match service {
            Service::Order | Service::Inventory | Service::Payment | Service::Shipping => true,
            Service::Metrics | Service::Notification => {
                self.databases.iter().any(|each| each.service == service)
            }
        }
    }

    /// The name of the service's database.
    pub(crate) fn database(&self, service: Service) -> &str {
        let named = self.databases.iter().find(|each| each.service == service);
        named.map_or(service.name(), |each| &each.name)
    }
}

/// Which database a service has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseName {
    /// The service.
    pub service: Service,
    /// Its database.
    pub name: String,
}

/// Not `SERVICE=NAME`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "write SERVICE=NAME, where SERVICE is order, inventory, payment, shipping, metrics or notification"
)]
pub struct NotADatabaseName;

impl FromStr for DatabaseName {
    type Err = NotADatabaseName;

    fn from_str(text: &str) -> Result<Self, NotADatabaseName> {
        let (service, name) = text.split_once('=').ok_or(NotADatabaseName)?;
        let service = Service::ALL
            .into_iter()
            .find(|known| known.name() == service)
            .ok_or(NotADatabaseName)?;
        let name = name.to_owned();
        (!name.is_empty())
            .then_some(Self { service, name })
            .ok_or(NotADatabaseName)
    }
}
