//! Answers that are kept, as messages.

use prost::Message;
use prost_types::Timestamp;
use time::{Date, Duration};
use tonic::Status;

use super::{AnalyticsApi, render, status};
use crate::application::Asked;
use crate::domain::Range;
use crate::ports::{Days, StoreError};

/// The days that a range of time touches.
pub(super) fn days(range: Range) -> Days {
    let epoch = time::UtcDateTime::UNIX_EPOCH;
    let day = |at_ms| -> Date { epoch.saturating_add(Duration::milliseconds(at_ms)).date() };
    Days {
        first: day(range.start_ms),
        last: day(range.end_ms - 1),
    }
}

impl AnalyticsApi {
    /// The answer to a question, kept or computed, and the moment of which it has all.
    pub(super) async fn kept<M, W>(
        &self,
        asked: Asked,
        compute: impl FnOnce() -> W + Send + 'static,
    ) -> Result<(M, Option<Timestamp>), Status>
    where
        M: Message + Default,
        W: Future<Output = Result<M, StoreError>> + Send + 'static,
    {
        let compute = || async { Ok(compute().await?.encode_to_vec()) };
        let answer = self.answers.answer(asked, compute).await;
        let answer = answer.map_err(|why| status::not_answered(&why))?;
        let as_of = render::timestamp(answer.as_of_ms);
        match M::decode(&*answer.bytes) {
            Ok(message) => Ok((message, Some(as_of))),
            // It was encoded by the line above, here or on a node of the same format.
            Err(error) => Err(status::not_ours(&error)),
        }
    }
}
