//! A panic is reported like any other event, with the trace it happened in.

use std::panic;

/// Replaces the standard hook, which would write several lines of plain text between JSON lines.
///
/// The payload's text is logged, since it is written by us and holds no data of users by rule;
/// whoever waits for the task learns of the panic through its join handle.
pub(crate) fn install() {
    panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("(no text)");
        let location = info.location().map(ToString::to_string);
        tracing::error!(
            event = "process.panicked",
            panic.message = message,
            panic.location = location.as_deref().unwrap_or("unknown"),
            panic.backtrace = %std::backtrace::Backtrace::capture(),
            "a task panicked"
        );
    }));
}
