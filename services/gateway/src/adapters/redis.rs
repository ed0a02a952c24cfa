//! Redis, which may vanish at any moment: with it, gateways know of each other.

mod buckets;
mod commands;
mod presence;

pub use buckets::RedisBuckets;
