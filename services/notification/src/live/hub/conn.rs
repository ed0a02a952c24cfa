//! One connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tradepost_notifications::stream::{GroupName, Stream};

use super::followed::Followed;
use crate::domain::Preferences;
use crate::live::Line;
use crate::ports::{Reader, Whose};

/// A connection of a person.
pub struct Conn<L: Line> {
    pub(super) id: u64,
    pub(super) reader: Reader,
    /// Since when it is there, in milliseconds since 1970.
    since_ms: i64,
    pub(super) line: L,
    /// What may be put aside for it, in bytes, in each stream.
    pub(super) backlog_bytes_max: usize,
    state: Mutex<State<L>>,
    /// What it was closed with; 0: it was not.
    closed: AtomicU16,
    /// Whether something may be silent for it: else its preferences are not looked at.
    choosy: AtomicBool,
    preferences: Mutex<Option<Arc<Preferences>>>,
}

/// What it follows.
pub(super) struct State<L: Line> {
    pub(super) stage: Stage,
    /// The first is the person's own.
    pub(super) streams: Vec<Arc<Followed<L>>>,
    /// Cursors that moved while it was opened.
    pub(super) reads: BTreeMap<Stream, u64>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not been welcomed.
    Opening,
    /// It has.
    Begun,
    /// It has left: nothing is to be hung on it any more.
    Gone,
}

impl<L: Line> Conn<L> {
    pub(super) fn new(
        (id, since_ms): (u64, i64),
        reader: Reader,
        line: L,
        backlog_bytes_max: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            reader,
            since_ms,
            line,
            backlog_bytes_max,
            state: Mutex::new(State {
                stage: Stage::Opening,
                streams: Vec::new(),
                reads: BTreeMap::new(),
            }),
            closed: AtomicU16::new(0),
            choosy: AtomicBool::new(false),
            preferences: Mutex::new(None),
        })
    }

    /// Whose it is.
    #[must_use]
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Since when it is there, in milliseconds since 1970.
    #[must_use]
    pub const fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// The way to the client.
    pub const fn line(&self) -> &L {
        &self.line
    }

    /// Ends it; what waits goes first. Only the first code counts.
    pub fn close(&self, code: u16, reason: &str) {
        let first = self
            .closed
            .compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed);
        if first.is_ok() {
            self.line.close(code, reason);
        }
    }

    /// What it was closed with by this side.
    #[must_use]
    pub fn closed_with(&self) -> Option<u16> {
        match self.closed.load(Ordering::Relaxed) {
            0 => None,
            code => Some(code),
        }
    }

    /// By what its person wants to be told from now on; none: nothing is ever silent.
    pub(super) fn prefer(&self, preferences: Option<Arc<Preferences>>) {
        let mut held = super::lock(&self.preferences);
        self.choosy.store(preferences.is_some(), Ordering::Relaxed);
        *held = preferences;
    }

    /// Whether something may be silent for it.
    pub(super) fn is_choosy(&self) -> bool {
        self.choosy.load(Ordering::Relaxed)
    }

    /// By what something is silent for it.
    pub(super) fn preferences(&self) -> Option<Arc<Preferences>> {
        if !self.is_choosy() {
            return None;
        }
        super::lock(&self.preferences).clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<L>> {
        // No step leaves half a state behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Line> State<L> {
    /// The stream that the client calls so.
    pub(super) fn named(&self, name: &Stream) -> Option<&Arc<Followed<L>>> {
        self.streams
            .iter()
            .find(|followed| match (&followed.key.whose, name) {
                (Whose::User(_), Stream::User) => true,
                (Whose::Group(group), Stream::Group(name)) => group == name,
                (Whose::User(_), Stream::Group(_)) | (Whose::Group(_), Stream::User) => false,
            })
    }

    pub(super) fn in_group(&self, name: &GroupName) -> Option<usize> {
        self.streams
            .iter()
            .position(|followed| match &followed.key.whose {
                Whose::User(_) => false,
                Whose::Group(group) => group == name,
            })
    }
}
