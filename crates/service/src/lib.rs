//! What every binary does: configuration, servers, limits, health, drain and error details.
//!
//! It knows nothing of orders. A service implements [`Program`], and [`run`] does the rest:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use garde::Validate;
//! use serde::{Deserialize, Serialize};
//! use tradepost_service::{CommonConfig, GrpcServer, NoAdmin, Program, Runtime};
//!
//! #[derive(Debug, Default, Deserialize, Serialize, Validate)]
//! #[serde(default, deny_unknown_fields)]
//! struct EchoConfig {
//!     /// Addresses, limits and telemetry: `TRADEPOST_ECHO__SERVER__LISTEN_ADDR`.
//!     #[garde(dive)]
//!     server: CommonConfig,
//! }
//!
//! struct Echo;
//!
//! impl Program for Echo {
//!     const NAME: &'static str = "echo";
//!     const ABOUT: &'static str = "Says what it is told";
//!     type Config = EchoConfig;
//!     type Admin = NoAdmin;
//!
//!     fn common(config: &EchoConfig) -> &CommonConfig {
//!         &config.server
//!     }
//!
//!     async fn serve(_config: EchoConfig, runtime: Runtime) -> anyhow::Result<()> {
//!         runtime.health.check("database", || async { Ok(()) });
//!         let shutdown = runtime.shutdown.clone();
//!         runtime.tasks.spawn("sweeper", async move { shutdown.cancelled().await });
//!         GrpcServer::new(&runtime)
//!             // .descriptor(FILE_DESCRIPTOR_SET)
//!             // .service(EchoServiceServer::new(echo), &[Rule::of_tenant("Say", "echo:say")])
//!             .serve(runtime.listener)
//!             .await
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     tradepost_service::run::<Echo>()
//! }
//! ```
//!
//! The order of start and stop is DESIGN section 7; `program.rs` holds it.

use mimalloc::MiMalloc;

/// Of every binary that is a [`Program`]. The C library's allocator keeps what one thread has freed
/// from all others: the 19 MiB of a password's hash, once for every thread that ever hashed one.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

mod admin;
pub mod auth;
pub mod client;
mod clock;
pub mod config;
mod context;
pub mod error;
mod files;
mod grpc;
mod health;
pub mod page;
mod program;
pub mod proxies;
pub mod request_id;
mod tasks;
mod tls;

pub use clock::Clock;
pub use config::CommonConfig;
pub use context::RequestContext;
pub use grpc::GrpcServer;
pub use health::Health;
pub use program::{NoAdmin, Program, Runtime, run};
pub use tasks::{IntoOutcome, Tasks};
pub use tls::{Tls, TlsConfig};
