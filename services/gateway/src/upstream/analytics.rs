//! The metrics service: events, and what they come to. Its two gRPC services live in one process.

use tonic::{Response, Status};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::analytics_service_client::AnalyticsServiceClient;
use tradepost_proto::metrics::v1::metrics_service_client::MetricsServiceClient;

use super::calls::{Calls, Repeat};
use super::refusal::Refusal;

/// Its name in texts and metrics.
pub(super) const SERVICE: &str = "metrics";

/// Events, and what they come to.
pub struct Analytics {
    pub(super) calls: Calls,
}

impl Analytics {
    /// Stores one batch. It may be sent again: it has a sequence or a key, by which the service
    /// knows it.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn ingest(
        &self,
        request: pb::IngestEventsRequest,
    ) -> Result<pb::IngestEventsResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                let batches = request.map(|batch| futures::stream::iter([batch]));
                let mut client = AnalyticsServiceClient::new(channel);
                let answer = client.ingest_events(batches).await?;
                let (metadata, mut receipts, extensions) = answer.into_parts();
                let receipt = receipts.message().await?;
                let receipt = receipt.ok_or_else(|| Status::internal("no receipt"))?;
                // To its end, or the service sees a call that was cut. It is stored whatever comes
                // now.
                let _end = receipts.message().await;
                Ok(Response::from_parts(metadata, receipt, extensions))
            })
            .await
    }

    /// Reads the live aggregates.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn live(
        &self,
        request: pb::GetAggregatesRequest,
    ) -> Result<pb::GetAggregatesResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                MetricsServiceClient::new(channel)
                    .get_aggregates(request)
                    .await
            })
            .await
    }

    /// Reads a page of sums.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn query(
        &self,
        request: pb::QueryEventsRequest,
    ) -> Result<pb::QueryEventsResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                AnalyticsServiceClient::new(channel)
                    .query_events(request)
                    .await
            })
            .await
    }

    /// Reads which event types have most.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn top(&self, request: pb::ListTopRequest) -> Result<pb::ListTopResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                AnalyticsServiceClient::new(channel).list_top(request).await
            })
            .await
    }

    /// Reads a page of single events.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn list(
        &self,
        request: pb::ListEventsRequest,
    ) -> Result<pb::ListEventsResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                AnalyticsServiceClient::new(channel)
                    .list_events(request)
                    .await
            })
            .await
    }

    /// Reads a page of the daily report over tenants.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn report(
        &self,
        request: pb::ReportDailyRequest,
    ) -> Result<pb::ReportDailyResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                AnalyticsServiceClient::new(channel)
                    .report_daily(request)
                    .await
            })
            .await
    }
}
