//! Redis, which may vanish at any moment.

pub mod answers;
