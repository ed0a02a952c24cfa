//! Instruments of Redis Streams.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tradepost_telemetry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stream {
    stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Entry {
    stream: String,
    fate: String,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StreamMetrics {
    entries: Family<Entry, Counter>,
    lag: Family<Stream, Gauge>,
    pending: Family<Stream, Gauge>,
    connected: Family<Stream, Gauge>,
}

impl StreamMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Entries taken from Redis Streams, by what became of them";
        registry.register("stream_entries", help, metrics.entries.clone());
        let help = "Entries of a Redis Stream that nobody has taken";
        registry.register("stream_lag_entries", help, metrics.lag.clone());
        let help = "Entries of a Redis Stream that were taken and not acknowledged";
        registry.register("stream_pending_entries", help, metrics.pending.clone());
        let help = "Whether a Redis Stream is being read";
        registry.register("stream_connected", help, metrics.connected.clone());
        metrics
    }

    /// Counts what became of an entry.
    pub fn entry(&self, stream: &str, fate: &str) {
        let label = Entry {
            stream: stream.to_owned(),
            fate: fate.to_owned(),
        };
        self.entries.get_or_create(&label).inc();
    }

    /// Says how much there is to do.
    pub fn backlog(&self, stream: &str, lag: Option<i64>, pending: i64) {
        if let Some(lag) = lag {
            self.lag.get_or_create(&Stream::of(stream)).set(lag);
        }
        self.pending.get_or_create(&Stream::of(stream)).set(pending);
    }

    /// Says whether the stream is being read.
    pub fn connected(&self, stream: &str, is_connected: bool) {
        let connected = self.connected.get_or_create(&Stream::of(stream));
        connected.set(i64::from(is_connected));
    }
}

impl Stream {
    fn of(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
        }
    }
}
