//! E-mail: where it goes, and what an answer of a mail server means. Nothing here sends or stores.

mod address;
mod schedule;

pub use address::{AddressError, EmailAddress};
pub use schedule::{Answer, Fault, JITTER_PERMILLE_MAX, Schedule, Step, Verdict, verdict};
