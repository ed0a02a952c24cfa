//! W3C trace context in and out of the process.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tonic::metadata::{MetadataMap, MetadataValue};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The name of the header, in gRPC metadata as in message headers.
pub const TRACEPARENT: &str = "traceparent";

/// `00-` + 32 hexadecimal digits + `-` + 16 + `-` + 2.
const TRACEPARENT_LEN: usize = 55;

/// The current span as a `traceparent` header, to be sent along; `None` outside of any span.
#[must_use]
pub fn current_traceparent() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            span.trace_id(),
            span.span_id(),
            span.trace_flags().to_u8()
        )
    })
}

/// The current trace id, as people find it in logs and error answers.
#[must_use]
pub fn current_trace_id() -> Option<String> {
    let context = Span::current().context();
    let span = context.span();
    let trace_id = span.span_context().trace_id();
    (trace_id != TraceId::INVALID).then(|| trace_id.to_string())
}

/// Makes `span` a child of the remote span that `traceparent` names.
///
/// It must be called before the span is first entered. A malformed header is ignored, as the
/// W3C specification wants: the span then starts a trace of its own.
pub fn set_parent(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent) {
        // Fails when no telemetry is installed or the span was already entered: nothing to do.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// As [`set_parent`], with the header of an incoming gRPC call, if it has one.
pub fn set_parent_from(span: &Span, metadata: &MetadataMap) {
    if let Some(Ok(traceparent)) = metadata.get(TRACEPARENT).map(MetadataValue::to_str) {
        set_parent(span, traceparent);
    }
}

/// As [`set_parent`], for building a span in one expression.
#[must_use]
pub fn span_with_parent(span: Span, traceparent: Option<&str>) -> Span {
    if let Some(traceparent) = traceparent {
        set_parent(&span, traceparent);
    }
    span
}

/// Writes the current span into the metadata of an outgoing gRPC call.
pub fn inject(metadata: &mut MetadataMap) {
    if let Some(Ok(value)) = current_traceparent().map(MetadataValue::try_from) {
        metadata.insert(TRACEPARENT, value);
    }
}

/// Parses by the W3C rules: a later version may be longer, an all-zero id is no id.
fn parse(header: &str) -> Option<SpanContext> {
    let header = header.trim();
    let mut parts = header.split('-');
    let (version, trace_id, span_id, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = [version.len(), trace_id.len(), span_id.len(), flags.len()];
    let known_version_is_exact = version != "00" || header.len() == TRACEPARENT_LEN;
    let lower_hex = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let well_formed = lengths == [2, 32, 16, 2]
        && known_version_is_exact
        && version != "ff"
        && [version, trace_id, span_id, flags]
            .into_iter()
            .all(lower_hex);
    if !well_formed {
        return None;
    }
    let context = SpanContext::new(
        TraceId::from_hex(trace_id).ok()?,
        SpanId::from_hex(span_id).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    );
    context.is_valid().then_some(context)
}
