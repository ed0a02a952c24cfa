//! The hub without sockets.

mod marks;
mod orders;
mod rules;
mod silence;
mod world;
