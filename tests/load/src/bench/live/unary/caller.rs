//! Who calls: one thread that looks at the clock, begins what is due, gives it to the kernel, and
//! takes what came, over and over. Nobody wakes it, so nobody's waking is in a latency, and a call
//! costs it two system calls. While there is nothing to do it lets others go first, and looks again.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use prost::Message;
use tradepost_proto::metrics::v1 as pb;

use super::brought::Brought;
use super::connection::Connection;
use super::frames::CallHead;
use crate::bench::target::{Draft, Target, TargetError, now_ms, timestamp};

const PATH: &str = "/tradepost.metrics.v1.MetricsService/ProcessEvent";
/// How often the token is asked for anew; it is good for longer.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(10);
/// Calls under way at most; what is due beyond that waits here, and its time counts. A service
/// refuses more than 512 at once.
const UNDER_WAY_MAX: usize = 400;
/// Calls a second for which room is made before it counts; more are noted too.
const RATE_MAX: u32 = 100_000;
/// How long the last answers may take.
const ANSWERS_MAX: Duration = Duration::from_secs(10);

/// What is to be called.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load {
    /// So many at once, each after the other.
    UnderWay(usize),
    /// So many a second.
    Rate(NonZeroU32),
}

impl Load {
    /// Calls that there may be in that time, for room to note them.
    fn calls_within(self, window: Duration) -> usize {
        let rate = match self {
            Self::UnderWay(_) => RATE_MAX,
            Self::Rate(rate) => rate.get(),
        };
        usize::try_from(u64::from(rate) * (window.as_secs() + 1)).unwrap_or(0)
    }
}

pub(super) struct Caller {
    target: Target,
    connections: Vec<Connection>,
    messages: Vec<pb::ProcessEventRequest>,
    encoded: Vec<u8>,
    /// Calls that were begun, of all loads.
    begun: usize,
    introduced: Option<Instant>,
}

impl Caller {
    pub(super) fn connect(target: &Target, drafts: &[Draft]) -> Result<Self, TargetError> {
        let connections = (0..target.connections.max(1)).map(|_| Connection::open(target.addr));
        let messages = drafts.iter().map(|draft| pb::ProcessEventRequest {
            tenant_id: draft.tenant.clone(),
            event: Some(draft.single(0)),
        });
        Ok(Self {
            target: target.clone(),
            connections: connections.collect::<Result<_, _>>()?,
            messages: messages.collect(),
            encoded: Vec::new(),
            begun: 0,
            introduced: None,
        })
    }

    /// Calls for `window`, and takes all answers.
    pub(super) fn run(&mut self, load: Load, window: Duration) -> Result<Brought, TargetError> {
        let started = Instant::now();
        let (mut brought, mut due) = (Brought::new(started, load.calls_within(window)), 0_u32);
        loop {
            let now = brought.look();
            self.introduce(now)?;
            let open = now - started < window;
            let began = match load {
                Load::UnderWay(most) => open && self.fill(most.min(UNDER_WAY_MAX), now),
                Load::Rate(rate) => {
                    let until = now.min(started + window);
                    self.catch_up(&mut due, until, |number| started + after(rate, number))
                }
            };
            let heard = self.exchange(&mut brought)?;
            if began || heard {
                let done = brought.look();
                brought.busy += done - now;
                continue;
            }
            let waiting = matches!(load, Load::Rate(rate) if after(rate, due) < window);
            if !open && !waiting && self.under_way() == 0 {
                brought.took = started.elapsed();
                return Ok(brought);
            }
            if now - started > window + ANSWERS_MAX {
                let unanswered = format!("{} calls have no answer", self.under_way());
                return Err(TargetError::Wrong(unanswered));
            }
            std::thread::yield_now();
        }
    }

    /// Shows a fresh token to every connection, when it is time to.
    fn introduce(&mut self, now: Instant) -> Result<(), TargetError> {
        let known = |since: Instant| now.saturating_duration_since(since) < TOKEN_AGE_MAX;
        if self.introduced.is_some_and(known) {
            return Ok(());
        }
        let bearer = self.target.calls.authorization()?;
        let head = CallHead::new(PATH, &self.target.addr.to_string(), bearer.as_bytes());
        for connection in &mut self.connections {
            connection.introduce(head.clone());
        }
        self.introduced = Some(now);
        Ok(())
    }

    /// Begins calls until so many are under way; whether there was one to begin.
    fn fill(&mut self, most: usize, now: Instant) -> bool {
        let mut began = false;
        while self.under_way() < most && self.begin(now) {
            began = true;
        }
        began
    }

    /// Begins what is due and not begun; whether there was something.
    fn catch_up(&mut self, next: &mut u32, until: Instant, due: impl Fn(u32) -> Instant) -> bool {
        let mut began = false;
        while due(*next) < until && self.under_way() < UNDER_WAY_MAX && self.begin(due(*next)) {
            *next += 1;
            began = true;
        }
        began
    }

    /// Begins a call of the next connection, unless that has no room.
    fn begin(&mut self, due: Instant) -> bool {
        let (connections, messages) = (self.connections.len(), self.messages.len());
        let connection = self.connections.get_mut(self.begun % connections.max(1));
        let message = self.messages.get_mut(self.begun % messages.max(1));
        let (Some(connection), Some(message)) = (connection, message) else {
            return false;
        };
        if let Some(event) = &mut message.event {
            event.event_time = Some(timestamp(now_ms()));
        }
        self.encoded.clear();
        let fits = message.encode(&mut self.encoded).is_ok();
        let began = fits && connection.call(&self.encoded, due);
        self.begun += usize::from(began);
        began
    }

    /// Sends what was begun, and takes what came; whether anything did.
    fn exchange(&mut self, brought: &mut Brought) -> Result<bool, TargetError> {
        let mut heard = false;
        for connection in &mut self.connections {
            connection.flush()?;
            heard |= connection.read(&mut |ended| brought.count(ended))?;
            brought.look();
        }
        Ok(heard)
    }

    fn under_way(&self) -> usize {
        self.connections.iter().map(Connection::under_way).sum()
    }
}

/// When a call of that number is due, from the start.
fn after(rate: NonZeroU32, number: u32) -> Duration {
    let nanos = u64::from(number) * 1_000_000_000 / u64::from(rate.get());
    Duration::from_nanos(nanos)
}
