//! A log that tests can read.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tracing_subscriber::fmt::MakeWriter;
use tradepost_telemetry::{LogFormat, TelemetryConfig, subscriber};

/// Keeps what is written.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics in here").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What `act` logs under `filter` in `format`.
pub(crate) fn logged(filter: &str, log_format: LogFormat, act: impl FnOnce()) -> String {
    let log = Log::default();
    let config = TelemetryConfig {
        log_filter: filter.to_owned(),
        log_format,
        ..TelemetryConfig::default()
    };
    let (subscriber, _guard) = subscriber(&config, "test", log.clone()).expect("a good filter");
    tracing::subscriber::with_default(subscriber, act);
    let bytes = log.0.lock().expect("no test panics in here").clone();
    String::from_utf8(bytes).expect("a log is text")
}

/// The lines that `act` logs as JSON.
pub(crate) fn json(filter: &str, act: impl FnOnce()) -> Vec<Value> {
    logged(filter, LogFormat::Json, act)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect()
}
