//! The audit trail in PostgreSQL.
//!
//! [`append`] and [`append_all`] belong into the transaction of the change they record, as its last
//! statements: from there to the end of the transaction nobody else appends to the same chain.

mod append;

pub use append::{Recorded, append, append_all};
