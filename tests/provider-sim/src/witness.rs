//! What the provider really did, computed from its log alone. The auditor and the tests hold it
//! against what Tradepost believes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::journal::{Entry, MoveKind, Op, Outcome, lines};

/// Why a log cannot be a witness.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It cannot be read.
    #[error("cannot read the log")]
    Read(#[from] io::Error),
    /// A line is not an entry.
    #[error("line {line} of the log is not an entry")]
    Line {
        /// Counted from one.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// A line is missing or doubled.
    #[error("the log jumps to sequence {found} where {expected} was due")]
    Gap {
        /// The sequence number due.
        expected: u64,
        /// The one found.
        found: u64,
    },
}

/// The sums of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witness {
    /// Per `metadata[payment_id]`.
    pub payments: BTreeMap<String, PaymentSums>,
    /// Money of intents that carry no payment id: always worth an alarm.
    pub unreferenced: PaymentSums,
    /// Entries read since the last reset.
    pub entries: u64,
    /// How often the state was reset; sums begin anew each time.
    pub resets: u64,
}

/// What happened to the money of one payment. Counts are of effects, never of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaymentSums {
    /// `metadata[order_id]`.
    pub order_id: Option<String>,
    /// `metadata[tenant_id]`.
    pub tenant_id: Option<String>,
    /// Lower-case ISO 4217 code.
    pub currency: Option<String>,
    /// Intents created; more than one means a lost idempotency key.
    pub intents: Vec<String>,
    /// Authorisations given.
    pub authorised: Sum,
    /// Captures that took money.
    pub captured: Sum,
    /// Authorisations voided by a cancel.
    pub voided: Sum,
    /// Authorisations that expired.
    pub expired: Sum,
    /// Rests of part captures given free.
    pub released: Sum,
    /// Refunds made.
    pub refunded: Sum,
    /// Refunds that failed after all.
    pub reversed: Sum,
    /// Taken from the merchant for disputes.
    pub withdrawn: Sum,
    /// Given back of it.
    pub reinstated: Sum,
    /// Charged for disputes.
    pub dispute_fees: Sum,
    /// Returned of that.
    pub dispute_fees_returned: Sum,
    /// Declined attempts.
    pub declined: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests answered again by idempotency key.
    pub replayed: u64,
    /// Requests that met a fault.
    pub faults: u64,
}

/// A number of effects and their sum in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Minor units.
    pub amount: i64,
}

impl PaymentSums {
    /// What was captured less refunds that arrived; disputes are beside it.
    pub fn net(&self) -> i64 {
        let refunded = self.refunded.amount.saturating_sub(self.reversed.amount);
        self.captured.amount.saturating_sub(refunded)
    }

    /// What banks took back of it and keep, without fees.
    pub fn charged_back(&self) -> i64 {
        self.withdrawn.amount.saturating_sub(self.reinstated.amount)
    }

    /// What disputes cost besides, less what was returned.
    pub fn fees_of_disputes(&self) -> i64 {
        let returned = self.dispute_fees_returned.amount;
        self.dispute_fees.amount.saturating_sub(returned)
    }

    /// What is held on the card and neither taken nor given free.
    pub fn held(&self) -> i64 {
        [self.captured, self.voided, self.expired, self.released]
            .iter()
            .fold(self.authorised.amount, |held, sum| {
                held.saturating_sub(sum.amount)
            })
    }

    fn add(&mut self, entry: &Entry) {
        for (to, from) in [
            (&mut self.order_id, &entry.order_id),
            (&mut self.tenant_id, &entry.tenant_id),
            (&mut self.currency, &entry.currency),
        ] {
            if to.is_none() {
                to.clone_from(from);
            }
        }
        if let Some(intent) = &entry.intent_id
            && !self.intents.contains(intent)
        {
            self.intents.push(intent.clone());
        }
        for movement in &entry.moves {
            let sum = match movement.kind {
                MoveKind::Authorised => &mut self.authorised,
                MoveKind::Captured => &mut self.captured,
                MoveKind::Released => &mut self.released,
                MoveKind::Voided => &mut self.voided,
                MoveKind::Expired => &mut self.expired,
                MoveKind::Refunded => &mut self.refunded,
                MoveKind::RefundReversed => &mut self.reversed,
                MoveKind::DisputeWithdrawn => &mut self.withdrawn,
                MoveKind::DisputeReinstated => &mut self.reinstated,
                MoveKind::DisputeFee => &mut self.dispute_fees,
                MoveKind::DisputeFeeReturned => &mut self.dispute_fees_returned,
            };
            sum.count = sum.count.saturating_add(1);
            sum.amount = sum.amount.saturating_add(movement.amount);
        }
        match entry.outcome {
            Outcome::Declined => self.declined = self.declined.saturating_add(1),
            Outcome::Refused => self.refused = self.refused.saturating_add(1),
            Outcome::Replayed => self.replayed = self.replayed.saturating_add(1),
            Outcome::Effect | Outcome::Fault | Outcome::Delivered | Outcome::Undelivered => {}
        }
        if entry.fault.is_some() {
            self.faults = self.faults.saturating_add(1);
        }
    }
}

impl Witness {
    /// The sums of one payment, if the provider ever heard of it.
    pub fn payment(&self, payment_id: &str) -> Option<&PaymentSums> {
        self.payments.get(payment_id)
    }

    fn add(&mut self, entry: &Entry) {
        if entry.op == Op::Reset {
            *self = Self {
                resets: self.resets.saturating_add(1),
                ..Self::default()
            };
            return;
        }
        self.entries = self.entries.saturating_add(1);
        match &entry.payment_id {
            Some(payment) => self.payments.entry(payment.clone()).or_default().add(entry),
            None => self.unreferenced.add(entry),
        }
    }
}

/// Reads a log file; a torn last line is left out, as nobody was answered on it.
///
/// # Errors
/// The file cannot be read, a line is no entry, or entries are missing.
pub fn read(path: &Path) -> Result<Witness, WitnessError> {
    parse(File::open(path)?)
}

/// Reads a log from anywhere, for example from an answer of `/_sim/log`.
///
/// # Errors
/// As [`read`].
pub fn parse(source: impl Read) -> Result<Witness, WitnessError> {
    let mut witness = Witness::default();
    let mut expected = None;
    for (index, line) in lines(source).enumerate() {
        let entry: Entry = serde_json::from_slice(&line?).map_err(|source| WitnessError::Line {
            line: index.saturating_add(1),
            source,
        })?;
        match expected {
            Some(expected) if expected != entry.seq => {
                return Err(WitnessError::Gap {
                    expected,
                    found: entry.seq,
                });
            }
            _ => expected = Some(entry.seq.saturating_add(1)),
        }
        witness.add(&entry);
    }
    Ok(witness)
}
