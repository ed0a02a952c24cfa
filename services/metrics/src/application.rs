//! The use cases that sequence more than one call.

mod ingest;
mod upkeep;

pub use ingest::{Ingest, IngestLimits, Refused, Stored};
pub use upkeep::{Upkeep, UpkeepLimits};
