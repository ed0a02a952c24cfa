//! Rebuilding the state from the log.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::{Core, Ledger};
use crate::bank::Bank;
use crate::form::Fingerprint;
use crate::journal::{Entry, EventRef, Journal, Op, Position};
use crate::keys::Keys;

/// A webhook that was neither delivered nor given up before the restart.
#[derive(Debug)]
pub(crate) struct Undelivered {
    pub(crate) entry: Entry,
    pub(crate) event: EventRef,
}

#[derive(Debug, Default)]
struct Rebuilt {
    bank: Bank,
    keys: Keys,
    next_seq: u64,
    /// By sequence of their entry, so that they are sent in order.
    undelivered: BTreeMap<(u64, String), (EventRef, Position)>,
}

impl Ledger {
    /// Opens the log and walks through it again.
    pub(crate) fn open(path: Option<&Path>) -> io::Result<(Self, Vec<Undelivered>)> {
        let mut rebuilt = Rebuilt {
            next_seq: 1,
            ..Rebuilt::default()
        };
        let journal = match path {
            Some(path) => Journal::open(path, |entry, at| rebuilt.visit(&entry, at))?,
            None => Journal::in_memory(),
        };
        let mut undelivered = Vec::with_capacity(rebuilt.undelivered.len());
        for (event, position) in rebuilt.undelivered.into_values() {
            undelivered.push(Undelivered {
                entry: journal.read(position)?,
                event,
            });
        }
        let core = Core {
            bank: rebuilt.bank,
            journal,
            keys: rebuilt.keys,
            next_seq: rebuilt.next_seq,
            salt: format!("{:08x}", rand::random::<u32>()),
            stopped: false,
        };
        let path = path.map(Path::to_owned);
        Ok((
            Self {
                path,
                heard: AtomicBool::new(false),
                core: Mutex::new(core),
            },
            undelivered,
        ))
    }
}

impl Rebuilt {
    fn visit(&mut self, entry: &Entry, position: Position) {
        self.next_seq = entry.seq.saturating_add(1);
        self.bank.apply(entry);
        match entry.op {
            Op::Reset => {
                self.keys.forget_answers();
                self.undelivered.clear();
            }
            Op::Webhook => {
                self.undelivered
                    .retain(|_, (event, _)| !entry.events.contains(event));
            }
            Op::Create
            | Op::Confirm
            | Op::Capture
            | Op::Cancel
            | Op::Refund
            | Op::Search
            | Op::Get
            | Op::Action
            | Op::Settle
            | Op::Dispute => {
                for event in &entry.events {
                    let key = (entry.seq, event.id.clone());
                    self.undelivered.insert(key, (event.clone(), position));
                }
            }
        }
        let mut fingerprint = Fingerprint::default();
        if let (Some(key), Some(text)) = (&entry.idempotency_key, &entry.fingerprint)
            && hex::decode_to_slice(text, &mut fingerprint).is_ok()
        {
            self.keys.save(key, fingerprint, position);
        }
    }
}
