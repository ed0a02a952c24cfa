//! What a shopkeeper would recognise: who may do what. Pure: no I/O, no clock, no chance.

pub mod access;
pub mod audit;
pub mod caller;
pub mod rights;
pub mod routes;
