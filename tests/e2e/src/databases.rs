//! A database for each service.

use tradepost_postgres::idempotency;
use tradepost_testkit::{PrivatePostgres, TestDatabase, database};

use crate::Service;

/// Where the databases are.
#[derive(Debug, Clone, Copy)]
pub enum Cluster<'a> {
    /// The cluster that all tests share.
    Shared,
    /// One of the test's own, to be tormented.
    Private(&'a PrivatePostgres),
}

impl Cluster<'_> {
    /// A migrated database for the service.
    pub(crate) async fn database(self, service: Service) -> TestDatabase {
        let all = [
            (idempotency::SCHEMA, &idempotency::MIGRATOR),
            ("messaging", &tradepost_messaging::MIGRATOR),
        ];
        // The gateway takes and sends no messages.
        let extra = match service {
            Service::Gateway => &all[..1],
            Service::Metrics
            | Service::Notification
            | Service::Inventory
            | Service::Payment
            | Service::Shipping
            | Service::Order => &all[..],
        };
        let own = match service {
            Service::Inventory => &tradepost_inventory::adapters::postgres::MIGRATOR,
            Service::Payment => &tradepost_payment::adapters::postgres::MIGRATOR,
            Service::Shipping => &tradepost_shipping::adapters::postgres::MIGRATOR,
            Service::Metrics => &tradepost_metrics::adapters::postgres::MIGRATOR,
            Service::Notification => &tradepost_notification::adapters::postgres::MIGRATOR,
            Service::Order => &tradepost_order::adapters::postgres::MIGRATOR,
            Service::Gateway => &tradepost_gateway::adapters::postgres::MIGRATOR,
        };
        match self {
            Self::Shared => database(own, extra).await,
            Self::Private(postgres) => postgres.database(own, extra).await,
        }
    }
}
