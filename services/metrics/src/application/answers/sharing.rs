//! Answers among nodes: taken where another has computed them, given where this one has.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::asked::{seal, unseal};
use super::held::Moment;
use super::{Asked, Keep};
use crate::domain::Grain;
use crate::metrics::SharedFault;
use crate::ports::Claim;

/// Between two looks for an answer that another node computes.
const OTHERS_POLL: Duration = Duration::from_millis(10);
/// How long it is waited for: as long as a claim holds. A node that died costs others no more.
const OTHERS_MAX: Duration = Duration::from_millis(300);

impl Keep {
    /// What nodes share under a name; nothing: it is this node's to compute.
    pub(super) async fn shared(&self, name: &str) -> Option<Arc<[u8]>> {
        let shared = self.parts.shared.as_ref()?;
        let give_up = Instant::now() + OTHERS_MAX;
        loop {
            if let Some(sealed) = shared.find(name).await {
                let answer = unseal(name, &sealed).map(Arc::from);
                if answer.is_none() {
                    // The right one will take its place.
                    self.parts.metrics.fault(SharedFault::Garbage);
                }
                return answer;
            }
            let is_late = Instant::now() >= give_up;
            if is_late || shared.claim(name, OTHERS_MAX).await != Claim::Others {
                return None;
            }
            sleep(OTHERS_POLL).await;
        }
    }

    /// Gives an answer to the other nodes; nobody waits for it.
    pub(super) fn share(&self, asked: &Asked, name: String, bytes: Arc<[u8]>) {
        let Some(shared) = self.parts.shared.clone() else {
            return;
        };
        if bytes.len() > self.parts.limits.answer_bytes_max {
            return;
        }
        let time = self.kept_for(asked);
        drop(self.parts.tasks.detach(async move {
            shared.keep(&name, &seal(&name, &bytes), time).await;
        }));
    }

    /// For how long an answer is kept: a tenth more or less, so that they do not all go at once. It
    /// bounds the memory that they take and has no part in whether they are right.
    fn kept_for(&self, asked: &Asked) -> Duration {
        let now_ms = Moment::of(&self.parts.clock).ms;
        let yesterday_ms = Grain::Day.start_ms(now_ms) - Grain::Day.width_ms();
        let last_ms = asked.days.last.midnight().assume_utc().unix_timestamp() * 1_000;
        let time = if last_ms < yesterday_ms {
            self.parts.limits.closed_for
        } else {
            self.parts.limits.open_for
        };
        let jitter = asked.hash.first().copied().unwrap_or_default();
        time.mul_f64(0.9 + 0.2 * f64::from(jitter) / 255.0)
    }
}
