//! Attacks on the port, by clients that speak for themselves.

mod oversized;
mod slow;
mod smuggling;
