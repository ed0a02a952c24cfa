//! Asks who somebody is: once for all who ask the same at once, and not again while an answer holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{FutureExt, Shared};
use moka::sync::Cache;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, oneshot};
use tradepost_service::{Clock, Tasks};

use super::guests::{Admission, Guests};
use crate::config::AccessConfig;
use crate::live::RULE;
use crate::metrics::AccessMetrics;
use crate::ports::{Credentials, Judge, Refused, Shown};

/// What was shown, as it is kept: nobody learns credentials from it.
type Key = [u8; 32];
pub(in crate::live) type Answer = Result<Arc<Admission>, Refused>;
type Coming = Shared<oneshot::Receiver<Answer>>;

/// Where it is asked.
pub(in crate::live) struct Gate {
    judge: Judge,
    guests: Arc<Guests>,
    kept: Cache<Key, Arc<Admission>>,
    coming: Mutex<HashMap<Key, Coming>>,
    questions: Semaphore,
    deadline: Duration,
    clock: Clock,
    tasks: Tasks,
    metrics: AccessMetrics,
}

impl Gate {
    pub(super) fn new(
        (judge, guests): (Judge, Arc<Guests>),
        config: &AccessConfig,
        tasks: Tasks,
        metrics: AccessMetrics,
    ) -> Self {
        let kept = Cache::builder()
            .max_capacity(config.kept_max)
            .time_to_live(Duration::from_secs(config.kept_seconds.into()))
            .build();
        Self {
            judge,
            guests,
            kept,
            coming: Mutex::default(),
            questions: Semaphore::new(config.questions_max),
            deadline: Duration::from_millis(config.deadline_ms),
            clock: Clock::system(),
            tasks,
            metrics,
        }
    }

    /// Who shows this.
    pub(super) async fn admit(self: &Arc<Self>, shown: Shown) -> Answer {
        let answer = match &shown.credentials {
            // Good once: an answer is nobody else's.
            Credentials::Ticket(_) => self.ask(&shown).await,
            Credentials::Token(_) | Credentials::Key(_) => self.admit_again(shown).await,
        };
        if let Err(refused) = &answer {
            self.metrics.refused(label(refused));
        }
        answer
    }

    async fn admit_again(self: &Arc<Self>, shown: Shown) -> Answer {
        let key = key_of(&shown);
        if let Some(admission) = self.kept.get(&key) {
            if self.guests.holds(&admission, self.clock.now()) {
                self.metrics.admitted("kept");
                return Ok(admission);
            }
            self.kept.invalidate(&key);
        }
        let coming = self.coming(key, shown);
        coming.await.unwrap_or(Err(Refused::Unavailable))
    }

    /// The answer that is on its way already, or one that is asked for now. Who asked first may
    /// leave; the others have theirs all the same.
    fn coming(self: &Arc<Self>, key: Key, shown: Shown) -> Coming {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(coming) = coming.get(&key) {
            return coming.clone();
        }
        let (reply, answer) = oneshot::channel();
        let answer = answer.shared();
        coming.insert(key, answer.clone());
        drop(coming);
        let gate = Arc::clone(self);
        drop(self.tasks.detach(async move {
            let answer = gate.ask(&shown).await;
            if let Ok(admission) = &answer {
                gate.kept.insert(key, Arc::clone(admission));
            }
            let mut coming = gate.coming.lock().unwrap_or_else(PoisonError::into_inner);
            coming.remove(&key);
            drop(coming);
            let _left = reply.send(answer);
        }));
        answer
    }

    async fn ask(&self, shown: &Shown) -> Answer {
        let edition = self.guests.edition();
        let asked = async {
            let permit = self.questions.acquire().await;
            let _permit = permit.map_err(|_closed| Refused::Unavailable)?;
            self.judge.admit(shown).await
        };
        let answer = tokio::time::timeout(self.deadline, asked).await;
        let admitted = answer.map_err(|_elapsed| Refused::Unavailable)??;
        if !admitted.rights.iter().any(|right| right == RULE.right()) {
            return Err(Refused::Forbidden {
                reason: "PERMISSION_DENIED".to_owned(),
                detail: format!("the credentials lack the right {}", RULE.right()),
            });
        }
        self.metrics.admitted("gateway");
        Ok(Arc::new(self.guests.admission(admitted, edition)))
    }
}

/// A key is bound to addresses, and a browser's token to origins: both are part of the question.
fn key_of(shown: &Shown) -> Key {
    let (kind, secret) = match &shown.credentials {
        Credentials::Token(token) => ("token", token),
        Credentials::Key(key) => ("key", key),
        Credentials::Ticket(ticket) => ("ticket", ticket),
    };
    let mut hash = Sha256::new();
    let address = shown.address.to_string();
    let origin = shown.origin.as_deref().unwrap_or_default();
    for part in [kind, secret.expose_secret(), &address, origin] {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

const fn label(refused: &Refused) -> &'static str {
    match refused {
        Refused::Invalid { .. } => "invalid",
        Refused::Forbidden { .. } => "forbidden",
        Refused::TooOften { .. } => "too_often",
        Refused::Unavailable => "unavailable",
    }
}
