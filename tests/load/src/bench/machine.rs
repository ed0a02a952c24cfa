//! Where a bench ran.

use std::fmt;
use std::thread::available_parallelism;

use serde::Serialize;

/// The machine, as far as it matters for a figure.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many of its cores there are for us.
    pub cores: usize,
    /// The whole memory in megabytes.
    pub memory_mb: u64,
}

impl Machine {
    /// This machine, by Linux's `/proc`; what it does not say is left blank.
    #[must_use]
    pub fn here() -> Self {
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_default();
        let kilobytes = field("/proc/meminfo", "MemTotal");
        Self {
            cpu,
            cores: available_parallelism().map_or(0, usize::from),
            memory_mb: kilobytes
                .as_deref()
                .and_then(super::memory::megabytes)
                .unwrap_or(0),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cores of {}, {} MB",
            self.cores, self.cpu, self.memory_mb
        )
    }
}

/// The first value of that name in a file of lines `name: value`.
pub(super) fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let (_, value) = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}
