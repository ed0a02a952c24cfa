//! What people ask of sums: a tenant's last days, its busiest event types, the daily report.

use std::num::NonZeroU32;
use std::time::Duration;

use tradepost_proto::metrics::v1 as pb;

use super::{Client, PLANS, client};
use crate::bench::target::{Draw, Target, TargetError, dues, now_ms, timestamp};
use crate::samples::Samples;

const DAY_MS: i64 = 86_400_000;
const PAGE: i32 = 100;

/// Questions about tenants, the busy ones more often, within what there is.
#[derive(Debug)]
pub(super) struct Questions {
    draw: Draw,
    first_ms: i64,
    last_ms: i64,
    asked: usize,
}

impl Questions {
    pub(super) fn new(draw: Draw, (first_ms, last_ms): (i64, i64)) -> Self {
        Self {
            draw,
            first_ms,
            last_ms,
            asked: 0,
        }
    }

    /// So many a second, of all kinds in turn; how long each took from when it was due.
    pub(super) async fn paced(
        mut self,
        target: &Target,
        rate: u32,
        window: Duration,
    ) -> Result<Samples, TargetError> {
        let mut client = client(target).await?;
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let mut times = Samples::default();
        for mut lane in dues(rate, window, 1) {
            while let Some(due) = lane.recv().await {
                self.ask(target, &mut client).await?;
                times.push(due.elapsed());
            }
        }
        Ok(times)
    }

    async fn ask(&mut self, target: &Target, client: &mut Client) -> Result<(), TargetError> {
        self.asked += 1;
        match self.asked % 3 {
            0 => self.report(target, client).await,
            1 => self.sums(target, client).await,
            _ => self.top(target, client).await,
        }
    }

    /// The daily report of a plan's tenants over the last month.
    async fn report(&mut self, target: &Target, client: &mut Client) -> Result<(), TargetError> {
        let (plan, _) = PLANS.get(self.asked % PLANS.len()).unwrap_or(&("free", 1));
        let question = pb::ReportDailyRequest {
            plan: (*plan).to_owned(),
            since: self.days(30).start_time,
            page_size: PAGE,
            ..pb::ReportDailyRequest::default()
        };
        client.report_daily(target.request(question)?).await?;
        Ok(())
    }

    /// A tenant's last day, by the hour.
    pub(super) async fn sums(
        &mut self,
        target: &Target,
        client: &mut Client,
    ) -> Result<(), TargetError> {
        let question = pb::QueryEventsRequest {
            tenant_id: self.draw.tenant().to_string(),
            range: Some(self.range(DAY_MS)),
            bucket: pb::Bucket::Hour.into(),
            page_size: PAGE,
            ..pb::QueryEventsRequest::default()
        };
        client.query_events(target.request(question)?).await?;
        Ok(())
    }

    /// A tenant's busiest event types of a month.
    pub(super) async fn top(
        &mut self,
        target: &Target,
        client: &mut Client,
    ) -> Result<(), TargetError> {
        let question = pb::ListTopRequest {
            tenant_id: self.draw.tenant().to_string(),
            range: Some(self.days(30)),
            measure: pb::TopMeasure::Count.into(),
            limit: 10,
            ..pb::ListTopRequest::default()
        };
        client.list_top(target.request(question)?).await?;
        Ok(())
    }

    /// A tenant's whole history, by the day.
    pub(super) async fn whole(
        &mut self,
        target: &Target,
        client: &mut Client,
    ) -> Result<(), TargetError> {
        let question = pb::QueryEventsRequest {
            tenant_id: self.draw.tenant().to_string(),
            range: Some(self.days(10_000)),
            bucket: pb::Bucket::Day.into(),
            page_size: PAGE,
            ..pb::QueryEventsRequest::default()
        };
        client.query_events(target.request(question)?).await?;
        Ok(())
    }

    /// Single events of a tenant, the last of a day in its history.
    pub(super) async fn events(
        &mut self,
        target: &Target,
        client: &mut Client,
    ) -> Result<(), TargetError> {
        let days = ((self.end_ms() - self.first_ms) / DAY_MS).max(1);
        let days = u32::try_from(days).unwrap_or(u32::MAX);
        let end_ms = self.end_ms() - i64::from(self.draw.below(days)) * DAY_MS;
        let question = pb::ListEventsRequest {
            tenant_id: self.draw.tenant().to_string(),
            range: Some(pb::TimeRange {
                start_time: Some(timestamp(end_ms - DAY_MS)),
                end_time: Some(timestamp(end_ms)),
            }),
            page_size: PAGE,
            ..pb::ListEventsRequest::default()
        };
        client.list_events(target.request(question)?).await?;
        Ok(())
    }

    /// The next hour after the last event, in whole hours.
    fn end_ms(&self) -> i64 {
        let end_ms = self.last_ms.min(now_ms());
        (end_ms / 3_600_000 + 1) * 3_600_000
    }

    /// So many whole days, the running one included.
    fn days(&self, days: i64) -> pb::TimeRange {
        let end_ms = (self.last_ms.min(now_ms()) / DAY_MS + 1) * DAY_MS;
        pb::TimeRange {
            start_time: Some(timestamp((end_ms - days * DAY_MS).max(self.first_ms))),
            end_time: Some(timestamp(end_ms)),
        }
    }

    fn range(&self, length_ms: i64) -> pb::TimeRange {
        let end_ms = self.end_ms();
        let start_ms = end_ms.saturating_sub(length_ms).max(self.first_ms);
        pb::TimeRange {
            start_time: Some(timestamp(start_ms / DAY_MS * DAY_MS)),
            end_time: Some(timestamp(end_ms)),
        }
    }
}
