//! Messages between services over RabbitMQ: nothing committed is lost, every effect happens once.
//!
//! A writer appends to the [`Outbox`] inside its transaction; the relay publishes with confirms.
//! A reader implements [`Handler`]; the consumer hands it batches, and the handler claims the
//! [`inbox`] in the transaction that carries the effect. What fails is tried again from a retry row
//! and in the end [`parked`], never dropped.
//!
//! This is the only crate that names the AMQP client. It is *not* for the meaning of any message.

mod attempt;
mod config;
mod consumer;
mod envelope;
mod failure;
mod handler;
mod health;
pub mod inbox;
mod janitor;
mod link;
mod messaging;
mod metrics;
mod outbox;
pub mod parked;
mod publisher;
mod relay;
mod retries;
mod settle;
mod topology;
mod wire;

pub use config::MessagingConfig;
pub use envelope::{DecodeError, Message, Outgoing, Route};
pub use handler::{BoxError, Delivery, HandleError, Handler, Subscription};
pub use messaging::Messaging;
pub use outbox::Outbox;
pub use topology::Binding;

/// The tables, for `Database::migrate` under the schema `messaging`.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
