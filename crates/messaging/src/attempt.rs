//! Calling a handler so that nothing it does can hurt the caller: time-outs and panics become
//! transient failures, and every call runs in a span that continues the writer's trace.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;
use tracing::Instrument;

use crate::handler::{Delivery, HandleError, Handler};

/// A handler with its limits.
#[derive(Clone)]
pub(crate) struct Attempts {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) timeout: Duration,
}

impl Attempts {
    pub(crate) async fn once(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let handling = AssertUnwindSafe(self.handler.handle(batch)).catch_unwind();
        match timeout(self.timeout, handling)
            .instrument(span(batch))
            .await
        {
            Ok(Ok(handled)) => handled,
            Ok(Err(_panic)) => Err(transient("panic", "the handler panicked")),
            Err(_) => Err(transient("handler_timeout", "the handler took too long")),
        }
    }
}

fn transient(reason: &'static str, text: &'static str) -> HandleError {
    HandleError::Transient {
        reason,
        source: text.into(),
    }
}

/// A batch has many parents; its span names the first one's trace and counts the rest.
fn span(batch: &[Delivery]) -> tracing::Span {
    let first = batch.first();
    let queue = first.map_or("", |delivery| delivery.queue.as_str());
    let span = tracing::info_span!(
        "process",
        otel.name = format!("process {queue}"),
        otel.kind = "consumer",
        messaging.system = "rabbitmq",
        messaging.destination.name = queue,
        messaging.batch.message_count = batch.len(),
        message.kind = first.map(|delivery| delivery.message.kind.as_str()),
        message.id = first.map(|delivery| tracing::field::display(delivery.message.id)),
    );
    if let Some(parent) = first.and_then(|delivery| delivery.message.traceparent.as_deref()) {
        tradepost_telemetry::set_parent(&span, parent);
    }
    span
}
