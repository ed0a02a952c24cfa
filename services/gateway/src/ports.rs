//! What the use cases need from outside. One method of a store is one transaction.

pub mod audit;
