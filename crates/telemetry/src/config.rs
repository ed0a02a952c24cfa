//! What an operator may choose about logs and traces.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use url::Url;

/// The broker client reports every lost connection as an error, also the ones our supervisor closes
/// or replaces; the supervisor logs what matters. A migration's notices interest nobody.
const DEFAULT_FILTER: &str = "info,lapin=off,sqlx::postgres::notice=warn";

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    #[default]
    Json,
    /// Short lines for people.
    Text,
}

/// How a process reports what it does.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Which events are logged, in the syntax of `tracing`'s `EnvFilter`: `info,lapin=warn`.
    #[garde(custom(is_filter))]
    pub log_filter: String,
    /// The shape of a log line: `json` or `text`.
    #[garde(skip)]
    pub log_format: LogFormat,
    /// Where spans are sent by OTLP over gRPC; without it no span leaves the process.
    #[garde(skip)]
    pub otlp_endpoint: Option<Url>,
    /// The share of new traces that are sampled, 0 to 1. A caller's decision is followed.
    #[garde(range(min = 0.0, max = 1.0))]
    pub sample_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_filter: DEFAULT_FILTER.to_owned(),
            log_format: LogFormat::Json,
            otlp_endpoint: None,
            sample_ratio: 1.0,
        }
    }
}

fn is_filter(text: &str, (): &()) -> garde::Result {
    EnvFilter::try_new(text)
        .map(|_| ())
        .map_err(|error| garde::Error::new(format!("not a log filter: {error}")))
}
