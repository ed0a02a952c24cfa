//! What another process has used, by Linux's `/proc`.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::machine::field;
use super::memory::megabytes;

/// The kernel counts in hundredths of a second (`USER_HZ`), on every machine we know.
const TICKS_PER_SECOND: u64 = 100;
/// Fields of `/proc/PID/stat` behind the name in brackets: user and system time.
const USER: usize = 11;
const SYSTEM: usize = 12;

/// A process, by its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process(pub(super) u32);

impl Process {
    /// Processor time since its start, of all its threads; zero if it is gone.
    pub(super) fn processor_time(self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap_or_default();
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
        let ticks = ticks(USER).unwrap_or(0) + ticks(SYSTEM).unwrap_or(0);
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }

    /// Sends it a signal; whether it got there shows in the figures.
    pub(super) fn signal(self, name: &str) {
        let number = self.0.to_string();
        let sent = Command::new("kill").args(["-s", name, &number]).status();
        drop(sent);
    }

    /// Keeps all its threads on one core.
    pub(super) fn pin(self, core: usize) {
        self.keep_on(&core.to_string());
    }

    /// Lets them go where they like.
    pub(super) fn unpin(self) {
        let last = std::thread::available_parallelism().map_or(0, |cores| cores.get());
        self.keep_on(&format!("0-{}", last.max(2) - 1));
    }

    /// Where it cannot be done, the figures are of other cores; the table says so by its rates.
    fn keep_on(self, cores: &str) {
        let number = self.0.to_string();
        let command = Command::new("taskset")
            .args(["-acp", cores, &number])
            .stdout(Stdio::null())
            .status();
        drop(command);
    }

    /// Its resident memory, finer.
    pub(super) fn kibibytes(self) -> Option<f64> {
        let size = field(&format!("/proc/{}/status", self.0), "VmRSS")?;
        size.trim_end_matches("kB").trim().parse().ok()
    }

    /// Its resident memory.
    pub(super) fn megabytes(self) -> Option<f64> {
        let size = field(&format!("/proc/{}/status", self.0), "VmRSS")?;
        megabytes(&size).map(|megabytes| megabytes as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory_and_time_that_only_grows() {
        let this = Process(std::process::id());
        let before = this.processor_time();
        let mut sum = 0_u64;
        while this.processor_time() == before {
            sum = std::hint::black_box(sum + 1);
        }

        assert!(this.megabytes().is_some_and(|megabytes| megabytes > 1.0));
        assert!(this.processor_time() > before);
    }
}
