//! What the process uses of the machine, read from `/proc` at each scrape.
//!
//! The names are those of Prometheus' own client libraries, so that ready-made dashboards work.
//! On systems without `/proc` nothing is reported.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// `_SC_CLK_TCK`: 100 on every Linux that Rust supports; it is an ABI constant for user space.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(crate) struct ProcessMetrics;

/// The figures that we report.
struct Usage {
    cpu_seconds: f64,
    resident_bytes: i64,
    open_fds: i64,
    threads: i64,
}

fn read_usage() -> Option<Usage> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name may hold spaces, but it ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    // Fields 14, 15 and 20 of proc(5); the first one here is field 3.
    let ticks = f64::from(number(11)?) + f64::from(number(12)?);

    let status = fs::read_to_string("/proc/self/status").ok()?;
    let resident_kib: i64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .ok()?;

    // The handle that lists the directory is itself counted once.
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    Some(Usage {
        cpu_seconds: ticks / TICKS_PER_SECOND,
        resident_bytes: resident_kib.saturating_mul(1024),
        open_fds: i64::try_from(open).unwrap_or(i64::MAX).saturating_sub(1),
        threads: i64::from(number(17)?),
    })
}

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(usage) = read_usage() else {
            return Ok(());
        };
        let cpu = ConstCounter::new(usage.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu",
            "User and system time spent",
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?)?;
        let gauges = [
            (
                "process_resident_memory_bytes",
                "Resident memory",
                usage.resident_bytes,
            ),
            ("process_open_fds", "Open file descriptors", usage.open_fds),
            ("process_threads", "Threads of the process", usage.threads),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
