//! The daily report over a long history: from the sums, through the service; from the cache, where
//! there is one; and from the raw events, as one would ask without either.

use std::time::{Duration, Instant};

use sqlx::types::Uuid;
use sqlx::types::time::Date;
use tradepost_proto::metrics::v1 as pb;
use tradepost_types::TenantId;

use super::questions::Questions;
use super::{Client, History, PLANS, admin, client};
use crate::bench::report::{Rows, Unit};
use crate::bench::target::{Target, TargetError, timestamp};
use crate::samples::{Samples, millis};

const DAY_MS: i64 = 86_400_000;
/// Lines of a page.
const PAGE: i32 = 100;
/// Pages that are followed of each report.
const PAGES: usize = 3;
/// How often what was asked is asked again.
const AGAIN: usize = 5;
/// The report of the brief, without sums.
const RAW: &str = "select e.tenant_id, (e.event_time at time zone 'UTC')::date as day,
        count(*), avg(e.value)
    from events e join tenants t on t.tenant_id = e.tenant_id
    where t.plan = $1 and e.event_time >= to_timestamp($2)
    group by 1, 2 order by 2 desc, 1 limit $3";

/// Whether the service has a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// It has.
    Yes,
    /// It has none.
    No,
}

/// The questions.
#[derive(Debug, Clone, Copy)]
pub struct Reports {
    /// Reports, each of another first day.
    pub reports: u32,
    /// Whether the service has a cache: then the same are asked again.
    pub cached: Cached,
}

type RawLine = (Uuid, Date, i64, f64);

impl Reports {
    /// Asks, and compares one answer with what the raw events say.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn run(
        &self,
        target: &Target,
        history: &History,
        admin_url: &str,
    ) -> Result<Rows, TargetError> {
        let mut rows = Rows::default();
        let mut client = client(target).await?;
        let (first_ms, last_ms) = history.range_ms();
        let mut times = [Samples::default(), Samples::default(), Samples::default()];
        for number in 0..self.reports {
            let question = question(first_ms, number);
            let [first, further, again] = &mut times;
            let page = timed(target, &mut client, &question, first).await?;
            let mut token = page.next_page_token;
            for _ in 1..PAGES {
                let question = pb::ReportDailyRequest {
                    page_token: token,
                    ..question.clone()
                };
                token = timed(target, &mut client, &question, further)
                    .await?
                    .next_page_token;
                if token.is_empty() {
                    break;
                }
            }
            if self.cached == Cached::Yes {
                for _ in 0..AGAIN {
                    timed(target, &mut client, &question, again).await?;
                }
            }
        }
        let names = [
            "report, uncached",
            "report, a page further on",
            "report, cached",
        ];
        for (name, times) in names.into_iter().zip(&times) {
            tell(&mut rows, name, times);
        }
        let questions = Questions::new(history.draw(0), (first_ms, last_ms));
        self.others(target, &mut client, questions, &mut rows)
            .await?;
        let took = raw(target, &mut client, first_ms, admin_url, &mut rows).await?;
        rows.median(
            "report, from the raw events",
            millis(took),
            Unit::Milliseconds,
        );
        let uncached = times.first().and_then(|times| times.percentile(50));
        let ratio = uncached.map(|uncached| took.as_secs_f64() / uncached.as_secs_f64());
        rows.median("raw by uncached (p50)", ratio, Unit::Times);
        Ok(rows)
    }

    async fn others(
        &self,
        target: &Target,
        client: &mut Client,
        mut questions: Questions,
        rows: &mut Rows,
    ) -> Result<(), TargetError> {
        let mut times = [(); 4].map(|()| Samples::default());
        for _ in 0..self.reports {
            let [whole, sums, top, events] = &mut times;
            let asked = Instant::now();
            questions.whole(target, client).await?;
            whole.push(asked.elapsed());
            let asked = Instant::now();
            questions.sums(target, client).await?;
            sums.push(asked.elapsed());
            let asked = Instant::now();
            questions.top(target, client).await?;
            top.push(asked.elapsed());
            let asked = Instant::now();
            questions.events(target, client).await?;
            events.push(asked.elapsed());
        }
        let names = [
            "a tenant's history by day, a page",
            "a tenant's last day by hour",
            "a tenant's busiest types of a month",
            "a tenant's single events of a day, a page",
        ];
        for (name, times) in names.into_iter().zip(&times) {
            tell(rows, name, times);
        }
        Ok(())
    }
}

/// The report of a plan since a day early in the history: no two are alike.
fn question(first_ms: i64, number: u32) -> pb::ReportDailyRequest {
    let (plan, _) = PLANS
        .get(number as usize % PLANS.len())
        .unwrap_or(&("free", 1));
    let plans = i64::try_from(PLANS.len()).unwrap_or(1);
    pb::ReportDailyRequest {
        plan: (*plan).to_owned(),
        since: Some(timestamp(first_ms + i64::from(number) / plans * DAY_MS)),
        page_size: PAGE,
        ..pb::ReportDailyRequest::default()
    }
}

async fn timed(
    target: &Target,
    client: &mut Client,
    question: &pb::ReportDailyRequest,
    times: &mut Samples,
) -> Result<pb::ReportDailyResponse, TargetError> {
    let request = target.request(question.clone())?;
    let asked = Instant::now();
    let answer = client.report_daily(request).await?;
    times.push(asked.elapsed());
    Ok(answer.into_inner())
}

/// Asks the raw events for the first page of the first report; how long that takes.
async fn raw(
    target: &Target,
    client: &mut Client,
    first_ms: i64,
    admin_url: &str,
    rows: &mut Rows,
) -> Result<Duration, TargetError> {
    let question = question(first_ms, 0);
    let told = timed(target, client, &question, &mut Samples::default()).await?;
    let mut admin = admin(admin_url).await?;
    let query = sqlx::query_as(RAW)
        .bind(&question.plan)
        .bind(first_ms as f64 / 1e3)
        .bind(i64::from(PAGE));
    let asked = Instant::now();
    let lines: Vec<RawLine> = query.fetch_all(&mut admin).await?;
    let took = asked.elapsed();
    let differ = told.lines.len().abs_diff(lines.len())
        + told
            .lines
            .iter()
            .zip(&lines)
            .filter(|(told, raw)| !same(told, raw))
            .count();
    rows.worst(
        "lines in which report and raw events differ",
        differ as f64,
        Unit::Requests,
    );
    Ok(took)
}

fn same(told: &pb::DailyLine, (tenant, day, count, mean): &RawLine) -> bool {
    let day = day.midnight().assume_utc().unix_timestamp();
    told.tenant_id == TenantId::from_uuid(*tenant).to_string()
        && told.day.is_some_and(|told| told.seconds == day)
        && i64::try_from(told.count).is_ok_and(|told| told == *count)
        && (told.mean - mean).abs() <= 1e-9 * mean.abs().max(1.0)
}

fn tell(rows: &mut Rows, name: &str, times: &Samples) {
    let quantiles = times.quantiles();
    rows.median(&format!("{name}: p50"), quantiles.p50, Unit::Milliseconds);
    rows.median(&format!("{name}: p99"), quantiles.p99, Unit::Milliseconds);
}
