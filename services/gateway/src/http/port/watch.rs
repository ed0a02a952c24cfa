//! What one connection owes us, and since when.
//!
//! The halves of a connection note what happens, one task asks whether it takes too long. So a
//! request costs no timer: only its connection has one, which looks up every few seconds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::head::HeadFault;
use crate::config::LimitsConfig;

/// How long a client may take with one thing.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    /// For the first byte of a new connection.
    pub(super) first_byte: Duration,
    /// For a head, from its first byte.
    pub(super) head: Duration,
    /// For the next request.
    pub(super) idle: Duration,
    /// For room for what is being written.
    pub(super) write: Duration,
}

impl From<&LimitsConfig> for Patience {
    fn from(limits: &LimitsConfig) -> Self {
        Self {
            first_byte: Duration::from_millis(limits.first_byte_ms),
            head: Duration::from_millis(limits.head_read_ms),
            idle: Duration::from_millis(limits.idle_ms),
            write: Duration::from_millis(limits.write_ms),
        }
    }
}

/// How long a connection that is over may still send what nobody reads. Closed at once it would be
/// reset, and the client might never see the answer.
const LINGER: Duration = Duration::from_secs(1);
/// A blocked connection makes progress when the client takes so many bytes.
const PROGRESS_BYTES: usize = 16 * 1024;

/// What a client takes too long with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    FirstByte,
    Head,
    Idle,
    Write,
    End,
}

impl Slow {
    /// For metrics; `None` for what is no fault of the client.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::FirstByte => Some("first_byte"),
            Self::Head => Some("head"),
            Self::Write => Some("write"),
            Self::Idle | Self::End => None,
        }
    }
}

/// Shared by the halves of one connection. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Watch(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What the client has to send, and since when.
    owed: Option<(Slow, Instant)>,
    /// Since when the client makes no room, and how much it has taken since.
    blocked: Option<(Instant, usize)>,
    /// Requests whose answer is not written yet.
    running: usize,
    /// How many heads were read, and how many of them are requests by now.
    heads: u64,
    served: u64,
    /// Why the last of the heads stands for none.
    fault: Option<HeadFault>,
    /// The connection speaks another protocol from here.
    is_upgraded: bool,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            owed: Some((Slow::FirstByte, Instant::now())),
            blocked: None,
            running: 0,
            heads: 0,
            served: 0,
            fault: None,
            is_upgraded: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of a head is there.
    pub(super) fn head_began(&self) {
        let mut state = self.state();
        if !matches!(state.owed, Some((Slow::Head, _))) {
            state.owed = Some((Slow::Head, Instant::now()));
        }
    }

    /// A head is whole, or no head at all.
    pub(super) fn head_ended(&self, fault: Option<HeadFault>) {
        let mut state = self.state();
        state.owed = None;
        state.heads += 1;
        state.fault = fault;
    }

    /// A request begins, which is the next of the heads that were read.
    pub(super) fn begin(&self) -> (Running, Option<HeadFault>) {
        let mut state = self.state();
        state.running += 1;
        state.served += 1;
        let fault = state.fault.filter(|_| state.served == state.heads);
        drop(state);
        (Running(self.clone()), fault)
    }

    /// Something could not be written.
    pub(super) fn write_blocked(&self) {
        self.state()
            .blocked
            .get_or_insert_with(|| (Instant::now(), 0));
    }

    /// So many bytes were written; `all` that there were.
    pub(super) fn wrote(&self, bytes: usize, all: bool) {
        let mut state = self.state();
        let Some((since, taken)) = &mut state.blocked else {
            return;
        };
        *taken += bytes;
        if all {
            state.blocked = None;
        } else if *taken >= PROGRESS_BYTES {
            (*since, *taken) = (Instant::now(), 0);
        }
    }

    /// The connection is over but for what the client still sends.
    pub(super) fn ending(&self) {
        let mut state = self.state();
        if !matches!(state.owed, Some((Slow::End, _))) {
            state.owed = Some((Slow::End, Instant::now()));
        }
    }

    pub(super) fn upgraded(&self) {
        self.state().is_upgraded = true;
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.state().is_upgraded
    }

    /// Whether a request runs, or its answer is taken; `patience` is how long it may stand still.
    pub(super) fn is_busy(&self, patience: Duration) -> bool {
        let state = self.state();
        match state.blocked {
            Some((since, _)) => since.elapsed() < patience,
            None => state.running > 0,
        }
    }

    /// Returns when the client has taken too long with something.
    pub(super) async fn overrun(&self, patience: &Patience) -> Slow {
        // Looking up this often, a deadline is known before it comes.
        let shortest = patience.first_byte.min(patience.head).min(patience.idle);
        let shortest = shortest.min(patience.write).min(LINGER);
        loop {
            let now = Instant::now();
            let next = now + shortest;
            match self.due(patience) {
                Some((due, slow)) if due <= now => return slow,
                Some((due, _)) => sleep_until(due.min(next)).await,
                None => sleep_until(next).await,
            }
        }
    }

    /// What is due first, and when.
    fn due(&self, patience: &Patience) -> Option<(Instant, Slow)> {
        let state = self.state();
        if state.is_upgraded {
            return None;
        }
        let owed = state.owed.map(|(slow, since)| {
            let allowed = match slow {
                Slow::FirstByte => patience.first_byte,
                Slow::Head => patience.head,
                Slow::Idle => patience.idle,
                Slow::Write => patience.write,
                Slow::End => LINGER,
            };
            (since + allowed, slow)
        });
        let blocked = state
            .blocked
            .map(|(since, _)| (since + patience.write, Slow::Write));
        owed.into_iter().chain(blocked).min_by_key(|(due, _)| *due)
    }
}

/// A request until its answer is written.
#[derive(Debug)]
pub(super) struct Running(Watch);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.running -= 1;
        if state.running == 0 && state.owed.is_none() {
            state.owed = Some((Slow::Idle, Instant::now()));
        }
    }
}
