//! For sources that keep what was not stored, and can offer it again: a broker, a stream.

use std::sync::Arc;

use super::{Ingest, Refused};
use crate::ports::{Batch, Outcome, StoreError};

/// Why a batch is not stored.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// There was no room for it, or the process ends. Nothing is wrong with it.
    #[error("there is no room")]
    NoRoom(#[source] Refused),
    /// The store failed.
    #[error("the store failed")]
    Failed(#[source] StoreError),
}

impl Ingest {
    /// Offers all batches, so that they share transactions, and waits for what becomes of each. One
    /// that may have been stored unseen comes as [`NotStored`]; offered again, it is a duplicate.
    ///
    /// What there is no room for is offered again for as long as others of them get through: a
    /// source that begins again from the first would fill a small queue with duplicates for ever.
    pub async fn store_all(&self, batches: &[Arc<Batch>]) -> Vec<Result<Outcome, NotStored>> {
        let mut outcomes: Vec<_> = batches.iter().map(|_| None).collect();
        loop {
            let (mut under_way, mut refused) = (Vec::new(), None);
            for (batch, outcome) in batches.iter().zip(&mut outcomes) {
                if outcome.is_none() {
                    match self.offer(Arc::clone(batch)) {
                        Ok(answer) => under_way.push((answer, outcome)),
                        Err(why) => refused = Some(why),
                    }
                }
            }
            let is_stuck = under_way.is_empty();
            for (answer, outcome) in under_way {
                // Without an answer its writer is gone.
                *outcome = Some(match answer.await {
                    Ok(stored) => stored.map_err(NotStored::Failed),
                    Err(_dropped) => Err(NotStored::NoRoom(Refused::Draining)),
                });
            }
            let Some(why) = refused.filter(|_| is_stuck) else {
                if outcomes.iter().all(Option::is_some) {
                    return outcomes.into_iter().flatten().collect();
                }
                continue;
            };
            let refuse = |outcome: Option<_>| outcome.unwrap_or(Err(NotStored::NoRoom(why)));
            return outcomes.into_iter().map(refuse).collect();
        }
    }
}
