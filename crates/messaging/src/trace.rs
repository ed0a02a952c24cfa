//! Continuing the writer's trace.

/// Makes `traceparent` the parent of the span.
pub(crate) fn set_parent(span: &tracing::Span, traceparent: &str) {
    tracing::trace!(parent: span, traceparent, "continues");
}
