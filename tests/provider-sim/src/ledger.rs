//! State, log and idempotency keys under one lock, so that they never disagree: an entry is in the
//! log before its effect can be seen, and no effect is without one.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bank::{Bank, Command, Decision, Mint};
use crate::clock;
use crate::error::ApiError;
use crate::form::Fingerprint;
use crate::journal::{Entry, EventRef, Journal, Op, Outcome, Position};
use crate::keys::{Keys, Seen};
use crate::model::Metadata;

mod recovery;

#[derive(Debug)]
pub(crate) struct Ledger {
    path: Option<PathBuf>,
    /// Whether anybody wants webhooks; without a receiver no events are recorded.
    heard: AtomicBool,
    core: Mutex<Core>,
}

#[derive(Debug)]
struct Core {
    bank: Bank,
    journal: Journal,
    keys: Keys,
    next_seq: u64,
    /// Part of every id, so that ids differ between logs.
    salt: String,
    stopped: bool,
}

/// The request that an entry is about.
#[derive(Debug, Clone)]
pub(crate) struct Cause {
    pub(crate) op: Op,
    pub(crate) key: Option<(String, Fingerprint)>,
    pub(crate) fault: Option<&'static str>,
}

impl Cause {
    pub(crate) fn of(op: Op) -> Self {
        Self {
            op,
            key: None,
            fault: None,
        }
    }
}

/// An answer that changes nothing, and the payment it is about as far as that is known.
#[derive(Debug)]
pub(crate) struct Refusal<'a> {
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<ApiError>,
    pub(crate) saved: bool,
    pub(crate) intent_id: Option<&'a str>,
    pub(crate) metadata: Metadata,
}

/// What an idempotency key says about a request.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Carry it out, then call `execute`, `refuse` or `release`.
    Fresh,
    /// Answer this again.
    Replay(Box<Entry>),
    /// The key was used for another request.
    Reused,
    /// The key's request is being carried out.
    InUse,
}

impl Ledger {
    pub(crate) fn claim(&self, key: &str, fingerprint: Fingerprint) -> io::Result<Claim> {
        let mut core = self.lock();
        Ok(match core.keys.claim(key, fingerprint) {
            Seen::Never => Claim::Fresh,
            Seen::Before(position) => Claim::Replay(Box::new(core.journal.read(position)?)),
            Seen::ForAnother => Claim::Reused,
            Seen::Now => Claim::InUse,
        })
    }

    pub(crate) fn release(&self, key: &str) {
        self.lock().keys.release(key);
    }

    /// Decides, logs and applies. On an error nothing has changed.
    pub(crate) fn execute(&self, cause: &Cause, command: Command) -> io::Result<Entry> {
        let mut core = self.lock();
        let now = clock::now();
        let suffix = format!("{}{:010}", core.salt, core.next_seq);
        let mint = Mint {
            suffix: &suffix,
            now: now.unix_timestamp(),
        };
        let decision = core.bank.decide(command, &mint);
        let saved = decision
            .error
            .as_ref()
            .is_none_or(|error| error.status != 404);
        let mut entry = Entry::new(core.next_seq, now, cause.op, decision.outcome);
        fill(&mut entry, decision, &suffix);
        if !self.heard.load(Ordering::Relaxed) {
            entry.events.clear();
        }
        core.record(cause, entry, saved)
    }

    /// Logs an answer that changes nothing; `saved` keeps it under the idempotency key.
    pub(crate) fn refuse(&self, cause: &Cause, refusal: Refusal<'_>) -> io::Result<Entry> {
        let mut core = self.lock();
        let mut entry = Entry::new(core.next_seq, clock::now(), cause.op, refusal.outcome);
        match refusal.intent_id.and_then(|id| core.bank.intent(id)) {
            Some(intent) => entry = entry.about(intent),
            None => entry.refer(&refusal.metadata),
        }
        entry.error = refusal.error;
        core.record(cause, entry, refusal.saved)
    }

    /// Logs that an earlier answer was given again.
    pub(crate) fn replayed(&self, cause: &Cause, original: &Entry) -> io::Result<Entry> {
        let mut core = self.lock();
        let mut entry = Entry::new(core.next_seq, clock::now(), cause.op, Outcome::Replayed);
        entry.intent_id.clone_from(&original.intent_id);
        entry.refund_id.clone_from(&original.refund_id);
        entry.payment_id.clone_from(&original.payment_id);
        entry.order_id.clone_from(&original.order_id);
        entry.tenant_id.clone_from(&original.tenant_id);
        entry.amount = original.amount;
        entry.currency.clone_from(&original.currency);
        core.record(cause, entry, false)
    }

    /// Logs how a webhook ended, so that a restart does not send it again.
    pub(crate) fn webhook_ended(
        &self,
        event: &EventRef,
        outcome: Outcome,
        fault: Option<&'static str>,
    ) -> io::Result<Entry> {
        let mut core = self.lock();
        let mut entry = Entry::new(core.next_seq, clock::now(), Op::Webhook, outcome);
        entry.events.push(event.clone());
        core.record(
            &Cause {
                fault,
                ..Cause::of(Op::Webhook)
            },
            entry,
            false,
        )
    }

    pub(crate) fn reset(&self) -> io::Result<Entry> {
        let mut core = self.lock();
        let entry = Entry::new(core.next_seq, clock::now(), Op::Reset, Outcome::Effect);
        core.keys.forget_answers();
        core.record(&Cause::of(Op::Reset), entry, false)
    }

    /// Looks at the state; `look` must be quick.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Bank) -> T) -> T {
        look(&self.lock().bank)
    }

    /// Says whether there is a receiver of webhooks.
    pub(crate) fn set_heard(&self, heard: bool) {
        self.heard.store(heard, Ordering::Relaxed);
    }

    /// From here on nothing has an effect any more.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
    }

    /// The log from its beginning.
    pub(crate) fn log(&self) -> io::Result<Box<dyn Read + Send>> {
        if let Some(path) = &self.path {
            return Ok(Box::new(File::open(path)?));
        }
        match &self.lock().journal {
            Journal::Memory(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            Journal::File { .. } => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl Core {
    fn record(&mut self, cause: &Cause, mut entry: Entry, saved: bool) -> io::Result<Entry> {
        if self.stopped {
            return Err(io::Error::other("the simulator was stopped"));
        }
        entry.fault = cause.fault.map(str::to_owned);
        if let Some((key, fingerprint)) = &cause.key {
            entry.idempotency_key = Some(key.clone());
            entry.fingerprint = saved.then(|| hex::encode(fingerprint));
        }
        let position: Position = self.journal.append(&entry)?;
        self.next_seq += 1;
        self.bank.apply(&entry);
        if let (Some((key, fingerprint)), true) = (&cause.key, saved) {
            self.keys.save(key, *fingerprint, position);
        }
        Ok(entry)
    }
}

fn fill(entry: &mut Entry, decision: Decision, suffix: &str) {
    if let Some(intent) = &decision.intent {
        *entry = entry.clone().about(intent);
    }
    entry.refund_id = decision.refund.as_ref().map(|refund| refund.id.clone());
    entry.amount = decision.amount;
    entry.error = decision.error;
    entry.moves = decision.moves;
    let numbered = decision.events.into_iter().enumerate();
    entry.events = numbered
        .map(|(number, kind)| EventRef {
            id: format!("evt_{suffix}{number}"),
            kind,
        })
        .collect();
    entry.intent = decision.intent;
    entry.refund = decision.refund;
    entry.dispute = decision.dispute;
}
