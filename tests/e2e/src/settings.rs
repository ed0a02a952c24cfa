//! What a test's shop is told: everything a hundred times faster than a real one, and nothing that
//! would hide a fault.

use secrecy::{ExposeSecret, SecretString};
use tradepost_postgres::DatabaseConfig;

use crate::{Service, Unit};

/// Settings by service: key and value.
const FAST: [(Service, &[(&str, &str)]); 7] = [
    (Service::Inventory, &[("LIMITS__EXPIRY_POLL_MS", "200")]),
    (
        Service::Payment,
        &[
            ("PROVIDER__TIMEOUT_MS", "500"),
            ("LIMITS__LEASE_MS", "2000"),
            ("LIMITS__BACKOFF_MIN_MS", "50"),
            ("LIMITS__BACKOFF_MAX_MS", "500"),
            ("LIMITS__SWEEP_POLL_MS", "100"),
        ],
    ),
    (
        Service::Shipping,
        &[
            ("CARRIER__HAND_OVER_AFTER_MS", "50"),
            ("CARRIER__IN_TRANSIT_AFTER_MS", "10"),
            ("CARRIER__OUT_FOR_DELIVERY_AFTER_MS", "10"),
            ("CARRIER__DELIVER_AFTER_MS", "10"),
            ("LIMITS__CLOCK_POLL_MS", "50"),
        ],
    ),
    (
        Service::Order,
        &[
            ("SAGA__STEP_TIMEOUT_MS", "5000"),
            ("SAGA__DEADLINE_POLL_MS", "100"),
            ("INVENTORY__PRICE_CACHE_TTL_MS", "0"),
        ],
    ),
    (Service::Gateway, &[]),
    (Service::Metrics, &[]),
    (
        Service::Notification,
        &[("LIVE__LOOK_MS", "100"), ("LIVE__DRAIN_MS", "500")],
    ),
];

/// What a service gives up after a second or a few, and a test must not: a busy machine takes its
/// time, and then the shop is slow and not broken.
const PATIENT: [(Service, &str, &str); 5] = [
    (Service::Order, "INVENTORY__TIMEOUT_MS", "30000"),
    (Service::Notification, "ACCESS__DEADLINE_MS", "30000"),
    (Service::Gateway, "UPSTREAMS__DEADLINE_MS", "60000"),
    (Service::Gateway, "UPSTREAMS__SLOW_MS", "60000"),
    (Service::Gateway, "AUDIT__WRITE_TIMEOUT_MS", "30000"),
];

/// The same for what is in each of them.
const PATIENT_ALL: [(&str, &str); 4] = [
    ("SERVER__SHUTDOWN_GRACE_MS", "60000"),
    ("DATABASE__ACQUIRE_TIMEOUT_MS", "30000"),
    ("DATABASE__STATEMENT_TIMEOUT_MS", "30000"),
    ("DATABASE__LOCK_TIMEOUT_MS", "30000"),
];

/// For whatever has messages: a dead process must be missed soon.
const WITH_DATA: &[(&str, &str)] = &[
    ("MESSAGING__RELAY_POLL_MS", "100"),
    ("MESSAGING__RETRY_POLL_MS", "100"),
    ("MESSAGING__RETRY_BACKOFF_MIN_MS", "50"),
];

/// 32 bytes that are no secret.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Where the messages go.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) url: SecretString,
    pub(crate) namespace: String,
}

pub(crate) fn hurry(unit: &mut Unit, service: Service) {
    let own = FAST.iter().find(|(of, _)| *of == service);
    for (key, value) in own.iter().flat_map(|(_, settings)| settings.iter()) {
        unit.set(key, value);
    }
}

pub(crate) fn have_patience(unit: &mut Unit, service: Service) {
    for (key, value) in PATIENT_ALL {
        unit.set(key, value);
    }
    for (_, key, value) in PATIENT.iter().filter(|(of, ..)| *of == service) {
        unit.set(key, value);
    }
}

pub(crate) fn give_data(unit: &mut Unit, database: &DatabaseConfig, exchange: &Exchange) {
    for (key, value) in WITH_DATA {
        unit.set(key, value);
    }
    unit.set("MESSAGING__URL", exchange.url.expose_secret());
    unit.set("MESSAGING__NAMESPACE", &exchange.namespace);
    give_database(unit, database);
}

/// For the gateway, which has a database but no part in sagas.
pub(crate) fn give_identity(unit: &mut Unit, database: &DatabaseConfig) {
    unit.set("IDENTITY__ISSUER", unit.url());
    unit.set("IDENTITY__MASTER_KEY", MASTER_KEY);
    give_database(unit, database);
}

fn give_database(unit: &mut Unit, database: &DatabaseConfig) {
    unit.set("DATABASE__URL", database.url.expose_secret());
    unit.set("DATABASE__SYSTEM_URL", database.system_url.expose_secret());
    if let Some(owner) = &database.owner_url {
        unit.set("DATABASE__OWNER_URL", owner.expose_secret());
    }
}
