//! What a shopkeeper would recognise: who may do what. Pure: no I/O, no clock, no chance.

pub mod api_key;
pub mod audit;
pub mod base62;
pub mod caller;
pub mod network;
pub mod oauth;
pub mod pkce;
pub mod rights;
pub mod totp;
