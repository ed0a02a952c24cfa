//! The ledger and the tables themselves.
