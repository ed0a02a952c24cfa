//! The gateway before scripted services: what it makes of requests and answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod access;
mod admission;
mod analytics;
mod answers;
mod attacks;
mod audit;
mod bodies;
mod browser;
mod conformance;
mod credentials;
mod document;
mod doubles;
mod draining;
mod echo;
mod errors;
mod events;
mod fake;
mod headers;
mod identity;
mod limits;
mod matrix;
mod notifications;
mod owasp;
mod process;
mod proxies;
mod rate_limits;
mod recipients;
mod resilience;
mod sockets;
mod sse;
mod stage;
mod tenancy;
mod tls;
mod waiting;
mod webhook_endpoints;
mod webhooks;
