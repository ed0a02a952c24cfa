//! Payments and their ledger: the money of an order is held, taken, let go and given back.

pub mod domain;
