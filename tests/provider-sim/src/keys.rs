//! Idempotency keys: which request used which key, and where its answer lies in the log.

use std::collections::{HashMap, HashSet};

use crate::form::Fingerprint;
use crate::journal::Position;

/// What a key says about a request.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nobody used it; it is now taken by this request.
    Never,
    /// The same request was answered before.
    Before(Position),
    /// Another request was answered under it.
    ForAnother,
    /// A request with it is being carried out.
    Now,
}

#[derive(Debug, Default)]
pub(crate) struct Keys {
    answered: HashMap<Box<str>, (Fingerprint, Position)>,
    in_flight: HashSet<Box<str>>,
}

impl Keys {
    pub(crate) fn claim(&mut self, key: &str, fingerprint: Fingerprint) -> Seen {
        match self.answered.get(key) {
            Some((same, position)) if *same == fingerprint => Seen::Before(*position),
            Some(_) => Seen::ForAnother,
            None if self.in_flight.insert(key.into()) => Seen::Never,
            None => Seen::Now,
        }
    }

    pub(crate) fn save(&mut self, key: &str, fingerprint: Fingerprint, answer: Position) {
        self.answered.insert(key.into(), (fingerprint, answer));
    }

    pub(crate) fn release(&mut self, key: &str) {
        self.in_flight.remove(key);
    }

    pub(crate) fn forget_answers(&mut self) {
        self.answered.clear();
    }
}
