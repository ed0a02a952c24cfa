//! The machine against its table, and against model participants in every disorder.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a model may be shorter than the machine, and a test fails by panicking"
)]

mod harness;
mod properties;
mod table;
