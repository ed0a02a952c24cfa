//! The configuration of a process: read once, at start, from all its sources.
//!
//! Later sources win: the defaults of the struct, the file of `--config` (TOML), `.env` in the
//! working directory, the environment. `TRADEPOST_ORDER__DATABASE__URL` is the key `database.url`
//! of the service `order`; with `_FILE` at its end, the value is read from the file it names.
//! So no key may end with `_file`.

mod load;
pub mod secret;
mod sources;

use std::net::SocketAddr;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_crash::Death;
use tradepost_telemetry::TelemetryConfig;

use crate::auth::AuthConfig;

pub use load::{ConfigErrors, Problem, load};
pub use sources::Sources;

/// What every service lets operators choose. Services hold it in a field named `server`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CommonConfig {
    /// Where the public port listens.
    #[garde(skip)]
    pub listen_addr: SocketAddr,
    /// Where the admin port (`/livez`, `/readyz`, `/metrics`) listens.
    #[garde(skip)]
    pub admin_addr: SocketAddr,
    /// How long a stop may take, from the signal to the exit.
    #[garde(range(min = 1, max = 600_000))]
    pub shutdown_grace_ms: u64,
    /// How many calls may run at once; more are refused.
    #[garde(range(min = 1, max = 100_000))]
    pub calls_max: usize,
    /// The deadline of a call whose caller sets none.
    #[garde(range(min = 1, max = 600_000))]
    pub deadline_default_ms: u64,
    /// The longest deadline a caller may set.
    #[garde(range(min = 1, max = 600_000))]
    pub deadline_max_ms: u64,
    /// Whom this process believes, and who it is to others.
    #[garde(dive)]
    pub auth: AuthConfig,
    /// Logs and traces.
    #[garde(dive)]
    pub telemetry: TelemetryConfig,
    /// Where a test makes the process die.
    #[garde(dive)]
    pub crash: CrashConfig,
}

/// Where a test makes the process die; never set in production.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CrashConfig {
    /// Die at this point, e.g. `relay.before_publish`.
    #[garde(skip)]
    pub point: Option<String>,
    /// Die when the point is passed for this time, counted from 1.
    #[garde(range(min = 1))]
    pub hit: u32,
}

impl Default for CrashConfig {
    fn default() -> Self {
        Self {
            point: None,
            hit: 1,
        }
    }
}

impl CrashConfig {
    /// Where the process is to die, if anywhere.
    #[must_use]
    pub fn death(&self) -> Option<Death> {
        let point = self.point.clone()?;
        let hit = self.hit;
        Some(Death { point, hit })
    }
}

impl Default for CommonConfig {
    fn default() -> Self {
        Self {
            listen_addr: SocketAddr::from(([0, 0, 0, 0], 50051)),
            admin_addr: SocketAddr::from(([0, 0, 0, 0], 9090)),
            shutdown_grace_ms: 20_000,
            calls_max: 512,
            deadline_default_ms: 10_000,
            deadline_max_ms: 60_000,
            auth: AuthConfig::default(),
            telemetry: TelemetryConfig::default(),
            crash: CrashConfig::default(),
        }
    }
}
