//! A card provider to test against: the part of Stripe's HTTP API that Tradepost's payment service
//! uses, with cards that behave in known ways, faults on demand and a durable log.
//!
//! The log is the witness for money: [`witness::read`] computes from it alone what the provider
//! really did for each payment. It is not a complete Stripe and holds no card data.

mod admin;
mod api;
mod bank;
mod card;
mod clock;
mod config;
mod connection;
mod error;
mod exchange;
mod faults;
mod form;
mod journal;
mod keys;
mod ledger;
mod model;
mod render;
mod simulator;
mod webhooks;
pub mod witness;

pub use bank::NewDispute;
pub use config::{Config, WebhookTarget};
pub use error::{ApiError, ErrorType};
pub use faults::{ActiveRule, Fault, Faults, OpMatch, Rule, RuleError};
pub use journal::{Entry, EventRef, Move, MoveKind, Op, Outcome};
pub use model::{
    BalanceTransaction, CaptureMethod, Dispute, DisputeStatus, EventType, Intent, IntentStatus,
    Metadata, Refund, RefundStatus, Settlement,
};
pub use simulator::{ActionResult, Running, Simulator, StartError};
pub use webhooks::signature;
