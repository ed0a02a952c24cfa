//! What people see: a line that moves on a terminal, a line now and then in a log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const ON_A_TERMINAL: Duration = Duration::from_millis(200);
const IN_A_LOG: Duration = Duration::from_secs(5);

/// A progress line on standard error.
pub(super) struct Line {
    terminal: bool,
    shown: Option<Instant>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            shown: None,
        }
    }

    /// Shows the text if it is time for it or `last` of its kind.
    pub(super) fn show(&mut self, last: Last, text: impl FnOnce() -> String) {
        let pause = if self.terminal {
            ON_A_TERMINAL
        } else {
            IN_A_LOG
        };
        let recent = self.shown.is_some_and(|shown| shown.elapsed() < pause);
        if recent && last == Last::No {
            return;
        }
        self.shown = Some(Instant::now());
        let text = text();
        let (start, end) = match (self.terminal, last) {
            (true, Last::No) => ("\r\x1b[K", ""),
            (true, Last::Yes) => ("\r\x1b[K", "\n"),
            (false, _) => ("", "\n"),
        };
        to_stderr(&format!("{start}{text}{end}"));
    }
}

/// Whether a line is the last of its kind and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Yes,
    No,
}

impl From<bool> for Last {
    fn from(last: bool) -> Self {
        if last { Self::Yes } else { Self::No }
    }
}

/// A line on standard error.
pub(super) fn say(text: &str) {
    to_stderr(&format!("{text}\n"));
}

fn to_stderr(text: &str) {
    let mut stderr = std::io::stderr().lock();
    // Who closed it does not want to know.
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

/// A text on standard output.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
