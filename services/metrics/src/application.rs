//! The use cases that sequence more than one call.

mod audit;
mod ingest;
mod upkeep;

pub use audit::{Audited, Disagreement, audit};
pub use ingest::{Ingest, IngestLimits, Refused, Stored};
pub use upkeep::{Upkeep, UpkeepLimits};
