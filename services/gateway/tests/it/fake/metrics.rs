//! The metrics service: it knows batches again, takes the good events of them, and keeps the newest
//! plan of each tenant.

use std::collections::HashMap;
use std::pin::Pin;

use futures::Stream;
use prost_types::{Duration, Timestamp};
use tonic::{Code, Request, Response, Status, Streaming};
use tradepost_proto::metrics::v1 as met;
use tradepost_proto::metrics::v1::ingest_events_request::Batch;
use tradepost_service::error::Failure;

use super::services::{Answer, NEXT};
use super::{Fake, claims, samples};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What a batch is known by: tenant, producer, sequence, key.
type Name = (String, String, u64, String);

/// A batch as it was sent, and how many of its events were good.
struct Stored {
    sent: Vec<met::Event>,
    good: usize,
}

/// What the service keeps.
#[derive(Default)]
pub(crate) struct Kept {
    ledger: HashMap<Name, Stored>,
    plans: HashMap<String, (u64, String)>,
}

impl Fake {
    /// How many events are stored, of whomever.
    pub(crate) fn stored(&self) -> usize {
        let kept = self.kept.lock().unwrap();
        kept.ledger.values().map(|batch| batch.good).sum()
    }

    /// The plan that a tenant is on, as far as the service knows.
    pub(crate) fn plan_of(&self, tenant: &str) -> Option<String> {
        let kept = self.kept.lock().unwrap();
        kept.plans.get(tenant).map(|(_, plan)| plan.clone())
    }

    /// As after a restore from before it knew anybody.
    pub(crate) fn forget_plans(&self) {
        self.kept.lock().unwrap().plans.clear();
    }

    fn store(&self, tenant: &str, batch: met::EventBatch) -> Result<met::BatchReceipt, Status> {
        let refused = |reason, field: &str| {
            let message = format!("{field} is not good");
            Failure::new(Code::InvalidArgument, reason, "metrics.tradepost", message)
                .field(field, "is not good")
        };
        let counts = !batch.producer_id.is_empty() && batch.sequence > 0;
        if counts != batch.batch_key.is_empty() {
            return Err(refused("SEQUENCE_INVALID", "sequence").into());
        }
        let name = (
            tenant.to_owned(),
            batch.producer_id,
            batch.sequence,
            batch.batch_key,
        );
        let mut kept = self.kept.lock().unwrap();
        let reasons = batch.events.iter().map(rejected);
        let rejections: Vec<_> = (0..)
            .zip(reasons)
            .filter_map(|(index, reason)| {
                let reason = reason?.into();
                Some(met::Rejection { index, reason })
            })
            .collect();
        let good = batch.events.len() - rejections.len();
        let receipt = met::BatchReceipt {
            sequence: batch.sequence,
            ..met::BatchReceipt::default()
        };
        if let Some(known) = kept.ledger.get(&name) {
            if known.sent != batch.events {
                return Err(refused("REQUEST_ID_REUSED", "batch_key").into());
            }
            return Ok(met::BatchReceipt {
                duplicate: true,
                ..receipt
            });
        }
        let receipt = met::BatchReceipt {
            accepted: u32::try_from(good).unwrap(),
            rejected: u32::try_from(rejections.len()).unwrap(),
            rejections: rejections.into_iter().take(100).collect(),
            ..receipt
        };
        let sent = batch.events;
        kept.ledger.insert(name, Stored { sent, good });
        Ok(receipt)
    }
}

fn rejected(event: &met::Event) -> Option<met::RejectionReason> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || b".".contains(&byte);
    let seconds = event.event_time.as_ref().map_or(0, |time| time.seconds);
    match event {
        event if !event.event_type.bytes().all(plain) => {
            Some(met::RejectionReason::EventTypeInvalid)
        }
        _ if seconds < samples::OLD => Some(met::RejectionReason::TooOld),
        _ => None,
    }
}

#[tonic::async_trait]
impl met::analytics_service_server::AnalyticsService for Fake {
    type IngestEventsStream = Answers<met::IngestEventsResponse>;
    type ExportEventsStream = Answers<met::ExportEventsResponse>;

    async fn export_events(
        &self,
        request: Request<met::ExportEventsRequest>,
    ) -> Answer<Self::ExportEventsStream> {
        let pieces = self.answer(request, || samples::PIECES).await?.into_inner();
        let mut file: Vec<_> = pieces
            .into_iter()
            .map(|piece| {
                let data = piece.into();
                Ok(met::ExportEventsResponse { data })
            })
            .collect();
        if let Some(broken) = self.break_exports.lock().unwrap().clone() {
            file.push(Err(broken));
        }
        Ok(Response::new(Box::pin(futures::stream::iter(file))))
    }

    async fn ingest_events(
        &self,
        request: Request<Streaming<met::IngestEventsRequest>>,
    ) -> Answer<Self::IngestEventsStream> {
        let (metadata, _, mut batches) = request.into_parts();
        let tenant = claims(&metadata)["tenant"].as_str().unwrap().to_owned();
        let mut receipts = Vec::new();
        while let Some(message) = batches.message().await? {
            let mut noted = Request::new(message.clone());
            *noted.metadata_mut() = metadata.clone();
            self.answer(noted, || ()).await?;
            let Some(Batch::Events(batch)) = message.batch else {
                return Err(Status::unimplemented("packed"));
            };
            assert_eq!(batch.tenant_id, "", "the token says whose they are");
            let receipt = Some(self.store(&tenant, batch)?);
            receipts.push(Ok(met::IngestEventsResponse { receipt }));
        }
        Ok(Response::new(Box::pin(futures::stream::iter(receipts))))
    }

    async fn query_events(
        &self,
        request: Request<met::QueryEventsRequest>,
    ) -> Answer<met::QueryEventsResponse> {
        let sample = || met::QueryEventsResponse {
            sums: vec![samples::sum()],
            next_page_token: NEXT.to_owned(),
            percentile_relative_error: 0.01,
            as_of_time: None,
        };
        self.answer(request, sample).await
    }

    async fn report_daily(
        &self,
        request: Request<met::ReportDailyRequest>,
    ) -> Answer<met::ReportDailyResponse> {
        let sample = || met::ReportDailyResponse {
            lines: vec![met::DailyLine {
                tenant_id: "tenant_01jd0000000000000000000001".to_owned(),
                day: samples::at(86_400),
                count: 3,
                mean: 12.5,
            }],
            next_page_token: NEXT.to_owned(),
            as_of_time: None,
        };
        self.answer(request, sample).await
    }

    async fn list_top(
        &self,
        request: Request<met::ListTopRequest>,
    ) -> Answer<met::ListTopResponse> {
        let sample = || met::ListTopResponse {
            lines: vec![met::TopLine {
                event_type: "page.viewed".to_owned(),
                count: 3,
                // Beyond what JSON has a number for.
                sum: f64::INFINITY,
            }],
            as_of_time: None,
        };
        self.answer(request, sample).await
    }

    async fn list_events(
        &self,
        request: Request<met::ListEventsRequest>,
    ) -> Answer<met::ListEventsResponse> {
        let sample = || met::ListEventsResponse {
            events: vec![samples::event()],
            next_page_token: String::new(),
        };
        self.answer(request, sample).await
    }

    async fn put_tenant(
        &self,
        request: Request<met::PutTenantRequest>,
    ) -> Answer<met::PutTenantResponse> {
        assert_eq!(
            claims(request.metadata())["tenant"],
            serde_json::Value::Null
        );
        let told = request.get_ref().clone();
        let answer = self.answer(request, || met::PutTenantResponse {}).await?;
        let mut kept = self.kept.lock().unwrap();
        let known = kept.plans.entry(told.tenant_id).or_default();
        if known.0 < told.plan_version {
            *known = (told.plan_version, told.plan);
        }
        Ok(answer)
    }
}

#[tonic::async_trait]
impl met::metrics_service_server::MetricsService for Fake {
    type ProcessEventsStream = Answers<met::ProcessEventsResponse>;
    type WatchAggregatesStream = Answers<met::WatchAggregatesResponse>;

    async fn process_event(
        &self,
        _: Request<met::ProcessEventRequest>,
    ) -> Answer<met::ProcessEventResponse> {
        Err(Status::unimplemented("process_event"))
    }

    async fn process_events(
        &self,
        _: Request<Streaming<met::ProcessEventsRequest>>,
    ) -> Answer<Self::ProcessEventsStream> {
        Err(Status::unimplemented("process_events"))
    }

    async fn get_aggregates(
        &self,
        request: Request<met::GetAggregatesRequest>,
    ) -> Answer<met::GetAggregatesResponse> {
        let sample = || met::GetAggregatesResponse {
            aggregates: vec![met::Aggregate {
                event_type: "page.viewed".to_owned(),
                start_time: samples::at(0),
                duration: Some(Duration {
                    seconds: 300,
                    nanos: 0,
                }),
                count: 3,
                sum: 37.5,
                min: 1.5,
                max: 30.0,
                mean: 12.5,
                rate_per_second: 0.01,
                p50: Some(6.0),
                p90: None,
                p99: None,
            }],
            completeness: Some(met::Completeness {
                watermark: samples::at(290),
                complete: true,
                nodes_asked: 2,
                nodes_answered: 2,
                counted_since: None::<Timestamp>,
            }),
            irregularities: Some(met::Irregularities {
                late: 1,
                ..met::Irregularities::default()
            }),
            percentile_relative_error: 0.01,
        };
        self.answer(request, sample).await
    }

    async fn watch_aggregates(
        &self,
        _: Request<met::WatchAggregatesRequest>,
    ) -> Answer<Self::WatchAggregatesStream> {
        Err(Status::unimplemented("watch_aggregates"))
    }

    async fn get_partial_aggregates(
        &self,
        _: Request<met::GetPartialAggregatesRequest>,
    ) -> Answer<met::GetPartialAggregatesResponse> {
        Err(Status::unimplemented("get_partial_aggregates"))
    }
}
