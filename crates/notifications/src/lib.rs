//! The protocol of live notifications, as docs/websocket-protocol.md describes it: the frames
//! ([`wire`]), where a reader stands ([`stream`]), what is told ([`content`]), and what a client makes
//! of what it hears ([`follow`]). With the feature `events` it has the same as
//! server-sent events. It knows no store, and a socket only with the feature `client`, which falls
//! back to events; servers, clients, benches and tests share it.

#[cfg(feature = "client")]
pub mod client;
pub mod content;
#[cfg(feature = "events")]
pub mod events;
pub mod follow;
pub mod stream;
pub mod wire;
