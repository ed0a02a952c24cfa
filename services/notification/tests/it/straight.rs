//! Connections that come without the gateway in between. Its part is played here: its own tests and
//! those of the whole system have the real one.

mod bounds;
mod ending;
mod events;
mod gateway;
mod keeping;
mod opening;
mod pages;
mod refreshing;
mod stage;
