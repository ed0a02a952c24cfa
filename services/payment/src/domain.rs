//! What a shopkeeper knows of payments: pure, no I/O, no clock.

mod case;
mod dispute;
mod ledger;
mod payment;
#[cfg(test)]
mod pretend;
mod refund;
mod state;

pub use case::{Case, Effects, Origin, Part, RefundCase, RefundRefusal, Told};
pub use dispute::{Dispute, DisputeNews, DisputeReply, DisputeState, Funds, Stage};
pub use ledger::{Account, Entry, EntryKind, Posting};
pub use payment::{Input, Observation, Payment, Reply, Transition};
pub use refund::{Refund, RefundInput, RefundReply, RefundState};
pub use state::{Call, State};
