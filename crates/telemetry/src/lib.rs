//! Logs, traces and metrics, and trace context in and out of gRPC metadata and message headers.
//!
//! It decides *how* things are reported, once for every binary. *What* is reported belongs to the
//! services: their instruments are declared in their own `metrics.rs`, their events where they
//! happen. It starts nothing by itself: [`init`] is called once, by `tradepost_service::run`.
//!
//! - Logs go to standard error, one line each; standard output belongs to the answers of commands.
//! - Every span has W3C ids, with or without an exporter, so that a log line, an error answer and
//!   a row of an order's timeline can name the same trace.
//! - Spans leave the process only when `otlp_endpoint` is configured, through a bounded queue.

mod config;
mod format;
mod init;
mod panics;
mod process;
mod propagation;
mod redacted;
mod registry;

pub use config::{LogFormat, TelemetryConfig};
pub use format::Logs;
pub use init::{TelemetryError, TelemetryGuard, init, subscriber};
pub use propagation::{
    TRACEPARENT, current_trace_id, current_traceparent, inject, set_parent, set_parent_from,
    span_with_parent,
};
pub use redacted::Redacted;
pub use registry::{CONTENT_TYPE, Registry};
