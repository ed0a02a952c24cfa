//! The gateway's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(ended) = tradepost_gateway::command::audit::offline(std::env::args_os()) {
        return ended;
    }
    tradepost_service::run::<tradepost_gateway::bootstrap::GatewayProgram>()
}
