//! The metrics service's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    tradepost_service::run::<tradepost_metrics::bootstrap::MetricsProgram>()
}
