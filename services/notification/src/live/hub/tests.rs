//! The hub without sockets.

mod orders;
mod rules;
mod silence;
mod world;
