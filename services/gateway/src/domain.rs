//! What a shopkeeper would recognise: who may do what. Pure: no I/O, no clock, no chance.

pub mod access;
pub mod audit;
pub mod caller;
pub mod email;
pub mod gcra;
pub mod membership;
pub mod password;
pub mod revocation;
pub mod rights;
pub mod routes;
pub mod session;
pub mod strict;
pub mod tenant;
