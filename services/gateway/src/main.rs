//! The gateway's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    tradepost_service::run::<tradepost_gateway::bootstrap::GatewayProgram>()
}
