//! Batches to send again and again, each time as if they had just happened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::events::{Draft, now_ms};
use super::frames::{Frame, Head, Wire};

/// How old the moments in a readable batch may be; a packed one has only one, in its head.
const AGE_MS_MAX: i64 = 1_000;

/// Batches that streams take in turn. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Pool(Arc<Mutex<Turn>>);

#[derive(Debug)]
struct Turn {
    wire: Wire,
    drafts: Vec<Draft>,
    /// Their bodies, and when they were made.
    bodies: Vec<(i64, Bytes)>,
    next: usize,
}

impl Pool {
    /// The batches, in the form in which they are sent. `drafts` must not be empty.
    pub(in crate::bench) fn new(wire: Wire, drafts: Vec<Draft>) -> Self {
        let bodies = drafts.iter().map(|draft| {
            (
                i64::MIN,
                match wire {
                    Wire::Readable => Bytes::new(),
                    Wire::Packed => draft.packed(),
                },
            )
        });
        Self(Arc::new(Mutex::new(Turn {
            wire,
            bodies: bodies.collect(),
            drafts,
            next: 0,
        })))
    }

    /// The next batch, of a producer.
    pub(in crate::bench) fn next(&self, producer: &str) -> Frame {
        let mut turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Turn {
            wire,
            drafts,
            bodies,
            next,
        } = &mut *turn;
        let at = *next % drafts.len().max(1);
        *next = at + 1;
        let now_ms = now_ms();
        let (Some(draft), Some((made_ms, body))) = (drafts.get(at), bodies.get_mut(at)) else {
            return Frame::default();
        };
        if *wire == Wire::Readable && now_ms.saturating_sub(*made_ms) > AGE_MS_MAX {
            (*made_ms, *body) = (now_ms, draft.readable(now_ms));
        }
        let head = Head {
            tenant: &draft.tenant,
            producer,
            sequence: sequence(),
            base_time_ms: now_ms - (draft.count / 20) as i64,
        };
        Frame::new(*wire, head, body.clone())
    }
}

/// Numbers that rise over all streams, parts and runs: to a producer it is as if others came
/// between.
fn sequence() -> u64 {
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    let number = GIVEN.fetch_add(1, Ordering::Relaxed);
    static START: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    let start = START.get_or_init(|| u64::try_from(now_ms()).unwrap_or(0) << 12);
    start + number
}
