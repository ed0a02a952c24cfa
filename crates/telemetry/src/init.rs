//! Puts the parts together, once per process.

use std::io;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::TelemetryConfig;
use crate::format::Logs;
use crate::panics;

/// Spans waiting for the exporter; more are dropped, never waited for.
const EXPORT_QUEUE_MAX: usize = 2048;
const EXPORT_BATCH_MAX: usize = 512;
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
const EXPORT_INTERVAL: Duration = Duration::from_secs(1);
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter is malformed.
    #[error("the log filter is malformed")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter refuses its settings.
    #[error("the OTLP exporter cannot be built")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// `init` was called twice.
    #[error("telemetry is already set up in this process")]
    AlreadySet(#[from] SetGlobalDefaultError),
}

/// Keeps the exporter alive; flush it at the end with [`TelemetryGuard::shutdown`].
#[derive(Debug)]
#[must_use = "spans that still wait are lost unless shutdown is called"]
pub struct TelemetryGuard {
    provider: SdkTracerProvider,
}

impl TelemetryGuard {
    /// Sends the spans that still wait, for at most two seconds. It blocks the thread.
    pub fn shutdown(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT) {
            tracing::warn!(
                event = "telemetry.flush_failed",
                error = %error,
                "spans were lost at shutdown"
            );
        }
    }
}

/// Sets up logs, traces and the panic hook of this process.
///
/// Call it within a tokio runtime, since the exporter's connection lives there.
///
/// # Errors
/// Fails on a malformed filter or endpoint, or when called a second time.
pub fn init(
    config: &TelemetryConfig,
    service: &'static str,
) -> Result<TelemetryGuard, TelemetryError> {
    let (subscriber, guard) = subscriber(config, service, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber)?;
    panics::install();
    Ok(guard)
}

/// The subscriber that [`init`] installs, writing to `writer`: for tests, and for tools that want
/// another place for their log.
///
/// # Errors
/// As [`init`].
pub fn subscriber<W>(
    config: &TelemetryConfig,
    service: &'static str,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + 'static, TelemetryGuard), TelemetryError>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let provider = tracer_provider(config, service)?;
    let traces = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("tradepost"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(LevelFilter::INFO);
    let logs = Logs::new(config.log_format, service, writer)
        .with_filter(EventsOnly(EnvFilter::try_new(&config.log_filter)?));
    // The trace layer comes first: a line needs the ids that it makes.
    let subscriber = tracing_subscriber::registry().with(traces).with(logs);
    Ok((subscriber, TelemetryGuard { provider }))
}

fn tracer_provider(
    config: &TelemetryConfig,
    service: &'static str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.namespace", "tradepost"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = &config.otlp_endpoint else {
        // Without an exporter spans have ids but record nothing: that is what makes them cheap.
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.as_str())
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(EXPORT_QUEUE_MAX)
        .with_max_export_batch_size(EXPORT_BATCH_MAX)
        .with_scheduled_delay(EXPORT_INTERVAL)
        .build();
    let processor = BatchSpanProcessor::builder(exporter)
        .with_batch_config(batches)
        .build();
    let ratio = Sampler::TraceIdRatioBased(config.sample_ratio);
    Ok(builder
        .with_sampler(Sampler::ParentBased(Box::new(ratio)))
        .with_span_processor(processor)
        .build())
}

/// Applies the operator's filter to events, and lets spans through: a `warn` log still has its
/// trace id, and the fields of the span it happened in.
struct EventsOnly(EnvFilter);

impl<S: Subscriber> Filter<S> for EventsOnly {
    fn enabled(
        &self,
        metadata: &Metadata<'_>,
        context: &tracing_subscriber::layer::Context<'_, S>,
    ) -> bool {
        if metadata.is_span() {
            *metadata.level() <= tracing::Level::INFO
        } else {
            Filter::enabled(&self.0, metadata, context)
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let events = Filter::<S>::max_level_hint(&self.0)?;
        Some(events.max(LevelFilter::INFO))
    }
}
