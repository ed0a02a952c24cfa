//! Live aggregates in memory: counts, sums, extremes and percentiles by tenant, event type and
//! time. Pure and synchronous: no I/O, no tasks, no wire format but its own.

mod codec;
mod distinct;
mod sketch;

pub use distinct::{Distinct, DistinctError};
pub use sketch::{NotFinite, Sketch, SketchError};
