//! Dev-only: real backing services for tests, a database per test, `eventually`, a fault proxy.
//!
//! A service that is not there is a loud panic, never a skipped test. Servers come from the
//! environment (`TRADEPOST_TEST_POSTGRES_URL`, `TRADEPOST_TEST_AMQP_URL`) or from a stack that all
//! test processes of one target directory share and that the first one starts.
#![expect(clippy::panic, reason = "in a test a panic is the report")]

mod broker;
mod database;
mod eventually;
mod fault_proxy;
mod guarded;
mod plan;
mod ports;
mod private;
mod process;
mod stack;
mod tenancy;
mod trust;

pub use broker::{Broker, broker};
pub use database::{TestDatabase, database};
pub use eventually::eventually;
pub use fault_proxy::{Fault, FaultProxy};
pub use guarded::assert_guarded;
pub use plan::plan;
pub use ports::free_port;
pub use private::{
    Alarm, PrivateBroker, PrivatePostgres, PrivateRedis, private_broker, private_postgres,
    private_redis,
};
pub use process::{Process, ProcessBuilder};
pub use tenancy::{assert_tenancy, tenancy_violations};
pub use trust::Trust;
