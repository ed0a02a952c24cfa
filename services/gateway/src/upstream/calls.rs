//! What every call of a service shares: its deadline, and how its failure is told.

use std::time::Duration;

use tonic::{Response, Status};

use super::refusal::Refusal;
use crate::metrics::Metrics;

#[derive(Debug, Clone)]
pub(super) struct Calls {
    service: &'static str,
    deadline: Duration,
    metrics: Metrics,
}

impl Calls {
    pub(super) const fn new(service: &'static str, deadline: Duration, metrics: Metrics) -> Self {
        Self {
            service,
            deadline,
            metrics,
        }
    }

    /// Waits for the answer. The deadline holds here too, for a server that never answers and a
    /// connection that is never made.
    pub(super) async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Refusal> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.refusal(&status)),
            Err(_elapsed) => Err(self.refusal(&Refusal::late())),
        }
    }

    /// Counts a failure and says it in the terms of HTTP.
    pub(super) fn refusal(&self, status: &Status) -> Refusal {
        let (refusal, code) = Refusal::read(self.service, status);
        self.metrics.upstream_error(self.service, code);
        refusal
    }
}
