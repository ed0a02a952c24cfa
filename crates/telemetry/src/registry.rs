//! The metrics of one process, and their text form.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry as Inner, Unit};

use crate::process::ProcessMetrics;

/// What `/metrics` answers as its content type.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every instrument of one process. Cheap to clone; all clones are the same registry.
///
/// A metric registered as `order_placed` appears as `tradepost_order_placed_total`: the prefix is
/// set here, the `_total` of counters by the encoder, the unit by [`Registry::register_seconds`].
#[derive(Clone)]
pub struct Registry {
    parts: Arc<Mutex<Parts>>,
}

struct Parts {
    /// Names that are a convention among all programs: `process_…`.
    process: Inner,
    /// Ours, under the prefix.
    ours: Inner,
}

impl Registry {
    /// A registry that already reports the process itself and `tradepost_build_info`.
    #[must_use]
    pub fn new(service: &str) -> Self {
        let mut process = Inner::default();
        process.register_collector(Box::new(ProcessMetrics));
        let mut ours = Inner::with_prefix("tradepost");
        ours.register(
            "build",
            "The service and the version that runs",
            Info::new(vec![
                ("service", service.to_owned()),
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ]),
        );
        Self {
            parts: Arc::new(Mutex::new(Parts { process, ours })),
        }
    }

    /// Registers a counter, gauge or family; `name` goes without prefix and without `_total`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.with(|registry| registry.register(name, help, metric));
    }

    /// Registers an instrument that measures seconds; `_seconds` is added to `name`.
    pub fn register_seconds(&self, name: &str, help: &str, metric: impl Metric) {
        self.with(|registry| registry.register_with_unit(name, help, Unit::Seconds, metric));
    }

    /// Registers a collector, whose figures are read at each scrape.
    pub fn register_collector(&self, collector: Box<dyn Collector>) {
        self.with(|registry| registry.register_collector(collector));
    }

    /// Gives access to the registry of `prometheus-client`, under our prefix.
    pub fn with<T>(&self, use_registry: impl FnOnce(&mut Inner) -> T) -> T {
        use_registry(&mut self.lock().ours)
    }

    /// The whole registry in `OpenMetrics` text.
    ///
    /// # Errors
    /// Fails when a collector fails; the text so far is then not to be used.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let parts = self.lock();
        let mut text = String::with_capacity(16 * 1024);
        text::encode_registry(&mut text, &parts.process)?;
        text::encode_registry(&mut text, &parts.ours)?;
        text::encode_eof(&mut text)?;
        Ok(text)
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        // Registering cannot leave half a registry behind, so a poisoned lock is still good.
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}
