//! Tells people what happened: at once where they are connected, and for good.
//!
//! A durable notification is committed with its sequence first (`adapters::postgres`), then
//! announced: to the connections of this node (`live::hub`) and over Redis to those of the others
//! (`nodes`). What gets lost on the way is found by a look at the database (`nodes::healer`), so
//! nothing rests on Redis. `live` speaks to clients, `adapters::grpc` to services, `adapters::amqp`
//! hears what happens to orders; `bootstrap` puts them together.

pub mod adapters;
pub mod application;
pub mod bootstrap;
pub mod command;
pub mod config;
pub mod domain;
pub mod live;
pub mod metrics;
pub mod nodes;
pub mod ports;
