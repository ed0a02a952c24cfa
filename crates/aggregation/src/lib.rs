//! Live aggregates in memory: counts, sums, extremes and percentiles by tenant, event type and
//! time. Pure and synchronous: no I/O, no tasks, no wire format but its own.

mod codec;
mod sketch;

pub use sketch::{NotFinite, Sketch, SketchError};
