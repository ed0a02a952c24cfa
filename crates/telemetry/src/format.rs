//! Log lines: one event, one line, one write.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::OnceLock;

use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::dispatcher::WeakDispatch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::config::LogFormat;

/// The layer that writes log lines.
///
/// A JSON line has `timestamp` (UTC, RFC 3339), `severity`, `message`, `service.name`, `target`,
/// `trace_id`, `span_id`, then the fields of the enclosing spans (outermost first, the event's
/// own fields win).
pub struct Logs<W> {
    format: LogFormat,
    service: &'static str,
    writer: W,
    /// Where the ids of spans are kept; the thread's default dispatcher is out of reach while it
    /// dispatches.
    dispatch: OnceLock<WeakDispatch>,
}

/// The keys that every line has, besides `message`.
const RESERVED: [&str; 6] = [
    "timestamp",
    "severity",
    "service.name",
    "target",
    "trace_id",
    "span_id",
];

/// The fields of a span, kept until its events need them.
struct SpanFields(Map<String, Value>);

impl<W> Logs<W> {
    /// Lines in `format` that name `service`, written to `writer`.
    pub fn new(format: LogFormat, service: &'static str, writer: W) -> Self {
        Self {
            format,
            service,
            writer,
            dispatch: OnceLock::new(),
        }
    }
}

impl<W> fmt::Debug for Logs<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}

impl<S, W> Layer<S> for Logs<W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Map::new();
        attributes.record(&mut Fields(&mut fields));
        span.extensions_mut().insert(SpanFields(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(SpanFields(fields)) = span.extensions_mut().get_mut::<SpanFields>() {
            values.record(&mut Fields(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Map::new();
        let mut ids = None;
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                if let Some(SpanFields(of_span)) = span.extensions().get::<SpanFields>() {
                    fields.extend(
                        of_span
                            .iter()
                            .map(|(key, value)| (key.clone(), value.clone())),
                    );
                }
            }
        }
        let dispatch = self.dispatch.get().and_then(WeakDispatch::upgrade);
        if let (Some(span), Some(dispatch)) = (context.event_span(event), dispatch) {
            ids = tracing_opentelemetry::get_otel_context(&span.id(), &dispatch);
        }
        event.record(&mut Fields(&mut fields));
        let line = Line {
            service: self.service,
            level: *event.metadata().level(),
            target: event.metadata().target(),
            ids,
            fields,
        };
        let text = match self.format {
            LogFormat::Json => line.json(),
            LogFormat::Text => line.text(),
        };
        // A log that cannot be written has nowhere to be reported.
        let _ = self
            .writer
            .make_writer_for(event.metadata())
            .write_all(text.as_bytes());
    }
}

struct Line {
    service: &'static str,
    level: Level,
    target: &'static str,
    ids: Option<opentelemetry::Context>,
    fields: Map<String, Value>,
}

impl Line {
    /// Written by hand, so that what every line has comes first.
    fn json(mut self) -> String {
        let message = self.fields.remove("message").unwrap_or_default();
        let mut text = String::with_capacity(512);
        let _ = write!(
            text,
            r#"{{"timestamp":"{}","severity":"{}","message":{message}"#,
            timestamp(),
            self.level,
        );
        let (service, target) = (Value::from(self.service), Value::from(self.target));
        let _ = write!(text, r#","service.name":{service},"target":{target}"#);
        if let Some((trace_id, span_id)) = self.ids() {
            let _ = write!(text, r#","trace_id":"{trace_id}","span_id":"{span_id}""#);
        }
        for (key, value) in self.fields {
            // A field must neither replace nor repeat what stands before it.
            if !RESERVED.contains(&key.as_str()) {
                let _ = write!(text, ",{}:{value}", Value::from(key));
            }
        }
        text.push_str("}\n");
        text
    }

    fn text(mut self) -> String {
        let message = self.fields.remove("message").unwrap_or_default();
        let message = message.as_str().unwrap_or_default();
        let mut text = format!("{} {:>5} {}", timestamp(), self.level, message);
        for (key, value) in &self.fields {
            let _ = write!(text, " {key}={value}");
        }
        if let Some((trace_id, _)) = self.ids() {
            let _ = write!(text, " trace_id={trace_id}");
        }
        // One event is one line, whatever the message holds.
        let mut text = text.replace('\n', "\\n");
        text.push('\n');
        text
    }

    fn ids(&self) -> Option<(String, String)> {
        let span = self.ids.as_ref()?.span();
        let context = span.span_context();
        context.is_valid().then(|| {
            (
                context.trace_id().to_string(),
                context.span_id().to_string(),
            )
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a log line carries the real time, even where a test fixes the clock"
)]
fn timestamp() -> String {
    OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// Collects the fields of an event or span as JSON values.
struct Fields<'map>(&'map mut Map<String, Value>);

impl Fields<'_> {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        // Instructions for the trace layer, not facts.
        if field.name().starts_with("otel.") {
            return;
        }
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        self.insert(field, text);
    }
}
