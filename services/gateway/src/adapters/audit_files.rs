//! The audit trail outside the database: signed checkpoints, exports, and keys in PEM.

mod checkpoints;
mod export;
mod keys;

pub use checkpoints::{CheckpointFiles, Found, read_checkpoints};
pub use export::{EXPORT_FORMAT, ExportEnd, ExportHead, ExportRow, Parcel};
pub use keys::{KeyFault, PublicKey, SigningKey};
