//! The metrics service: events, and what they come to. Its two gRPC services live in one process.

use async_trait::async_trait;
use axum::http::StatusCode;
use bytes::Bytes;
use tonic::{Response, Status, Streaming};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::analytics_service_client::AnalyticsServiceClient;
use tradepost_proto::metrics::v1::metrics_service_client::MetricsServiceClient;
use tradepost_types::TenantId;

use super::Upstreams;
use super::calls::{Calls, Repeat};
use super::refusal::Refusal;
use crate::domain::caller::Plan;
use crate::ports::{PlanListener, Untold};

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

    /// Begins a file. The deadline is for its beginning; it takes as long as its reader.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn export(&self, request: pb::ExportEventsRequest) -> Result<Pieces, Refusal> {
        let begun = self
            .calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                AnalyticsServiceClient::new(channel)
                    .export_events(request)
                    .await
            });
        Ok(Pieces {
            pieces: begun.await?,
            calls: self.calls.clone(),
        })
    }

    /// Tells of a tenant. Of several calls the newest version counts, so that it may be sent again,
    /// late, and by many.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn put_tenant(&self, request: pb::PutTenantRequest) -> Result<(), Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                AnalyticsServiceClient::new(channel)
                    .put_tenant(request)
                    .await
            })
            .await
            .map(|pb::PutTenantResponse {}| ())
    }
}

/// A file on its way. Dropped, it is cancelled at the service.
pub struct Pieces {
    pieces: Streaming<pb::ExportEventsResponse>,
    calls: Calls,
}

impl Pieces {
    /// The next piece; none is the end of a whole file.
    ///
    /// # Errors
    /// Why it is not whole.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let piece = self.pieces.message().await;
        let piece = piece.map_err(|status| self.calls.refusal(&status))?;
        Ok(piece.map(|piece| piece.data))
    }
}

#[async_trait]
impl PlanListener for Upstreams {
    async fn tell(&self, tenant: TenantId, plan: Plan, version: i64) -> Result<(), Untold> {
        let request = pb::PutTenantRequest {
            tenant_id: tenant.to_string(),
            plan: plan.as_str().to_owned(),
            plan_version: version.unsigned_abs(),
        };
        let told = async { self.for_itself().analytics()?.put_tenant(request).await };
        told.await.map_err(|refusal: Refusal| {
            let why = format!("{}: {}", refusal.reason, refusal.detail);
            // Only what is wrong with this tenant is no reason to leave the others for later.
            match refusal.status {
                StatusCode::BAD_REQUEST => Untold::Refused(why),
                _ => Untold::Unreachable(why),
            }
        })
    }
}
