//! The instruments of the gRPC server, and the table of its methods.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;
use tradepost_telemetry::Registry;

use crate::auth::{Rule, Rules};
use crate::error::code_name;

/// From half a millisecond to the longest deadline.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];
/// The label of calls to methods that do not exist: a caller must not invent labels.
const UNKNOWN: &str = "unknown";
/// gRPC has codes 0 to 16.
const CODES: usize = 17;

type Durations = Family<CallLabels, Histogram, fn() -> Histogram>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: String,
    code: &'static str,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// The methods that the descriptors know, by their path.
#[derive(Debug, Default)]
pub(super) struct Methods {
    streaming_by_path: HashMap<String, bool>,
}

/// One method, with its histograms at hand: recording takes no lock and allocates nothing.
#[derive(Debug)]
pub(super) struct Method {
    /// `package.Service/Method`.
    pub(super) name: String,
    /// Whether the response is a stream.
    pub(super) streaming: bool,
    /// What opens it.
    pub(super) rule: Option<Rule>,
    durations: Durations,
    by_code: [OnceLock<Histogram>; CODES],
}

/// Finds the method of a path.
#[derive(Debug, Clone)]
pub(super) struct MethodTable {
    by_path: Arc<HashMap<String, Arc<Method>>>,
    unknown: Arc<Method>,
}

impl Methods {
    /// Adds the methods of an encoded descriptor set.
    pub(super) fn learn(&mut self, descriptors: &[u8]) -> Result<(), prost::DecodeError> {
        for file in FileDescriptorSet::decode(descriptors)?.file {
            let package = match file.package() {
                "" => String::new(),
                package => format!("{package}."),
            };
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{package}{}/{}", service.name(), method.name());
                    self.streaming_by_path
                        .insert(path, method.server_streaming());
                }
            }
        }
        Ok(())
    }

    /// The paths of all methods.
    pub(super) fn paths(&self) -> impl Iterator<Item = &String> {
        self.streaming_by_path.keys()
    }

    /// Registers the histograms and gives the table for the hot path.
    pub(super) fn register(&mut self, registry: &Registry, rules: &Rules) -> MethodTable {
        for path in rules.keys() {
            self.streaming_by_path.entry(path.clone()).or_insert(false);
        }
        let durations = Durations::new_with_constructor(histogram);
        registry.register_seconds(
            "rpc_server_call_duration",
            "Time until the response, or the head of a streamed one, by the code the caller got",
            durations.clone(),
        );
        let by_path = self.streaming_by_path.iter().map(|(path, &streaming)| {
            let name = path.trim_start_matches('/');
            let mut method = Method::new(name, streaming, &durations);
            method.rule = rules.get(path).copied();
            (path.clone(), Arc::new(method))
        });
        MethodTable {
            by_path: Arc::new(by_path.collect()),
            unknown: Arc::new(Method::new(UNKNOWN, false, &durations)),
        }
    }
}

impl MethodTable {
    pub(super) fn find(&self, path: &str) -> Arc<Method> {
        Arc::clone(self.by_path.get(path).unwrap_or(&self.unknown))
    }
}

impl Method {
    fn new(name: &str, streaming: bool, durations: &Durations) -> Self {
        Self {
            name: name.to_owned(),
            streaming,
            rule: None,
            durations: durations.clone(),
            by_code: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    pub(super) fn record(&self, code: Code, duration: Duration) {
        let Some(slot) = self.by_code.get(code as usize) else {
            return;
        };
        let histogram = slot.get_or_init(|| {
            let labels = CallLabels {
                method: self.name.clone(),
                code: code_name(code),
            };
            self.durations.get_or_create(&labels).clone()
        });
        histogram.observe(duration.as_secs_f64());
    }
}
