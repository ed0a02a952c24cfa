//! The notification service's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    tradepost_service::run::<tradepost_notification::bootstrap::NotificationProgram>()
}
