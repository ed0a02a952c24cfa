//! What a shopkeeper would recognise: who may do what. Pure: no I/O, no clock, no chance.

pub mod access;
pub mod api_key;
pub mod audit;
pub mod base62;
pub mod caller;
pub mod email;
pub mod gcra;
pub mod membership;
pub mod network;
pub mod oauth;
pub mod password;
pub mod pkce;
pub mod revocation;
pub mod rights;
pub mod routes;
pub mod session;
pub mod strict;
pub mod tenant;
pub mod totp;
