//! From requests to questions: every fault of a request is told at once.

use std::fmt::Write;

use prost_types::Timestamp;
use time::{Date, OffsetDateTime};
use tonic::{Code, Status};
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::{Failure, Violations};
use tradepost_service::page::PageRequest;
use tradepost_types::TenantId;

use crate::adapters::grpc::DOMAIN;
use crate::application::{Content, ExportOrder};
use crate::domain::{EventType, Grain, Range, RangeError};
use crate::ports::{DailyLine, DailyQuestion, Days, EventsQuestion, Measure, SheetKind, Whose};

const TYPES_MAX: usize = 100;
const PLAN_BYTES_MAX: usize = 64;
const TOP_DEFAULT: i32 = 10;
const TOP_MAX: i32 = 100;
/// The longest range of a plan whose sums are made one: all that its tenants have there is read.
const PLAN_DAYS_MAX: i64 = 93;
/// The longest range of single events.
const EVENTS_DAYS_MAX: i64 = 31;
/// The longest range of a file of them.
const EXPORT_DAYS_MAX: i64 = 366;

/// The milliseconds of a moment that a timestamp may have.
pub(super) fn millis(time: &Timestamp) -> Option<i64> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return None;
    }
    let millis = time.seconds.checked_mul(1_000)?;
    millis.checked_add(i64::from(time.nanos / 1_000_000))
}

/// The same, of a moment that a calendar has.
fn moment(time: &Timestamp) -> Option<i64> {
    let at_ms = millis(time)?;
    let is_date = OffsetDateTime::from_unix_timestamp(at_ms / 1_000).is_ok();
    is_date.then_some(at_ms)
}

/// Both ends of a range, before it is known to be one.
pub(super) fn ends(range: Option<&pb::TimeRange>) -> Result<(i64, i64), Status> {
    let mut faults = Violations::new();
    let mut end = |field, time: Option<&Timestamp>| {
        faults.take(field, time.and_then(moment).ok_or("must be a moment"))
    };
    let start_ms = end(
        "range.start_time",
        range.and_then(|range| range.start_time.as_ref()),
    );
    let end_ms = end(
        "range.end_time",
        range.and_then(|range| range.end_time.as_ref()),
    );
    faults.check(DOMAIN)?;
    start_ms.zip(end_ms).ok_or_else(missing)
}

/// The range, or why it is none to ask for.
pub(super) fn range(range: Result<Range, RangeError>) -> Result<Range, Status> {
    range.map_err(|fault| range_invalid(&fault.to_string()))
}

/// Refuses a range whose sums are not made one because of all that a plan's tenants may have there.
pub(super) fn check_days_of(whose: &Whose, range: Range) -> Result<(), Status> {
    if let Whose::Plan(_) = whose {
        self::range(Range::new(range.start_ms, range.end_ms, PLAN_DAYS_MAX))?;
    }
    Ok(())
}

pub(super) fn range_invalid(fault: &str) -> Status {
    Failure::new(Code::InvalidArgument, "RANGE_INVALID", DOMAIN, fault)
        .field("range", fault)
        .into()
}

/// Event types to look for.
pub(super) fn types(names: &[String]) -> Result<Vec<EventType>, Status> {
    let mut faults = Violations::new();
    if names.len() > TYPES_MAX {
        faults.add("event_types", "at most 100");
    }
    let take = |(index, name): (usize, &String)| {
        faults.take(
            format!("event_types[{index}]"),
            EventType::try_from(name.as_str()),
        )
    };
    let mut types: Vec<EventType> = names
        .iter()
        .take(TYPES_MAX)
        .enumerate()
        .filter_map(take)
        .collect();
    faults.check(DOMAIN)?;
    // The same question in any order of them, and however often it names one.
    types.sort_unstable();
    types.dedup();
    Ok(types)
}

/// One event type to look for, or any.
fn event_type(faults: &mut Violations, name: &str) -> Option<EventType> {
    if name.is_empty() {
        return None;
    }
    faults.take("event_type", EventType::try_from(name))
}

pub(super) fn plan(faults: &mut Violations, plan: &str) {
    if plan.len() > PLAN_BYTES_MAX || plan.chars().any(char::is_control) {
        faults.add(
            "plan",
            "must be at most 64 bytes, none of them control characters",
        );
    }
}

/// The key of a line of the daily report: the days since the common era, and the tenant.
type DayKey = (i32, String);

pub(super) fn day_key(line: &DailyLine) -> DayKey {
    (line.day.to_julian_day(), line.tenant.to_string())
}

pub(super) fn report_daily(
    request: &pb::ReportDailyRequest,
    now_ms: i64,
) -> Result<(DailyQuestion, PageRequest<DayKey>), Status> {
    let mut faults = Violations::new();
    plan(&mut faults, &request.plan);
    let event_type = event_type(&mut faults, &request.event_type);
    let since_ms = request.since.as_ref().and_then(moment);
    let since_ms = faults.take("since", since_ms.ok_or("must be a moment"));
    let end_ms = match &request.until {
        Some(until) => faults.take("until", moment(until).ok_or("must be a moment")),
        // The day that runs belongs to it, and so does what clocks that go ahead have sent.
        None => Some(Grain::Day.start_ms(now_ms) + 2 * Grain::Day.width_ms()),
    };
    faults.check(DOMAIN)?;
    let (since_ms, end_ms) = since_ms.zip(end_ms).ok_or_else(missing)?;
    let range = Range::of_pieces(Grain::Day, since_ms, end_ms).map_err(days_invalid)?;
    let since = day(range.start_ms).ok_or_else(missing)?;
    let until = day(range.end_ms - Grain::Day.width_ms()).ok_or_else(missing)?;
    let mut filter = format!("{}\n{}\n{since}", request.plan, request.event_type);
    // Without it the end moves on while pages are read.
    if request.until.is_some() {
        let _ = write!(filter, "\n{until}");
    }
    let page: PageRequest<DayKey> =
        PageRequest::parse(request.page_size, &request.page_token, filter.as_bytes())?;
    let after = page
        .after
        .as_ref()
        .and_then(|(day, tenant)| Some((Date::from_julian_day(*day).ok()?, tenant.parse().ok()?)));
    let question = DailyQuestion {
        plan: (!request.plan.is_empty()).then(|| request.plan.clone()),
        event_type,
        since,
        until,
        after,
        limit: page.limit(),
    };
    Ok((question, page))
}

/// Why two days are no range to ask for.
fn days_invalid(fault: RangeError) -> Status {
    let fault = match fault {
        RangeError::Empty => "must be before until, and not ahead of now without it",
        RangeError::TooLong { .. } => "must be at most 3,660 days before until",
        RangeError::Unaligned => "must start a day of UTC, and so must until",
    };
    let message = format!("since {fault}");
    Failure::new(Code::InvalidArgument, "RANGE_INVALID", DOMAIN, message)
        .field("since", fault)
        .into()
}

/// The days that a page of the report depends on: behind a token nothing newer than its line.
pub(super) fn report_days(question: &DailyQuestion) -> Days {
    let newest = question.after.map_or(question.until, |(day, _)| day);
    Days {
        first: question.since,
        last: newest.min(question.until),
    }
}

fn day(at_ms: i64) -> Option<Date> {
    let at = OffsetDateTime::from_unix_timestamp(at_ms / 1_000).ok()?;
    Some(at.date())
}

pub(super) fn list_top(
    request: &pb::ListTopRequest,
    whose: &Whose,
) -> Result<(Range, Measure, i64), Status> {
    let mut faults = Violations::new();
    if request.limit < 0 {
        faults.add("limit", "must not be negative");
    }
    let measure = match request.measure() {
        pb::TopMeasure::Unspecified | pb::TopMeasure::Count => Measure::Count,
        pb::TopMeasure::Sum => Measure::Sum,
    };
    faults.check(DOMAIN)?;
    let limit = match request.limit {
        0 => TOP_DEFAULT,
        limit => limit.min(TOP_MAX),
    };
    let (start_ms, end_ms) = ends(request.range.as_ref())?;
    let range = range(Range::of_pieces(Grain::Day, start_ms, end_ms))?;
    check_days_of(whose, range)?;
    Ok((range, measure, i64::from(limit)))
}

pub(super) fn list_events(
    request: &pb::ListEventsRequest,
    tenant: TenantId,
) -> Result<(EventsQuestion, PageRequest<(i64, i64)>), Status> {
    let mut faults = Violations::new();
    let event_type = event_type(&mut faults, &request.event_type);
    faults.check(DOMAIN)?;
    let (start_ms, end_ms) = ends(request.range.as_ref())?;
    let range = range(Range::new(start_ms, end_ms, EVENTS_DAYS_MAX))?;
    let filter = format!("{tenant}\n{start_ms}\n{end_ms}\n{}", request.event_type);
    let page: PageRequest<(i64, i64)> =
        PageRequest::parse(request.page_size, &request.page_token, filter.as_bytes())?;
    let question = EventsQuestion {
        tenant,
        range,
        event_type,
        after: page.after,
        limit: page.limit(),
    };
    Ok((question, page))
}

pub(super) fn export(
    request: &pb::ExportEventsRequest,
    tenant: TenantId,
) -> Result<ExportOrder, Status> {
    let mut faults = Violations::new();
    let (start_ms, end_ms) = ends(request.range.as_ref())?;
    let (range, content) = match &request.content {
        Some(pb::export_events_request::Content::Sums(sums)) => {
            let grain = match sums.bucket() {
                pb::Bucket::Unspecified | pb::Bucket::Day => Grain::Day,
                pb::Bucket::Hour => Grain::Hour,
                pb::Bucket::Minute => Grain::Minute,
                pb::Bucket::Whole => return Err(refused("sums.bucket", "must cut the range")),
            };
            let types = types(&sums.event_types)?;
            let range = Range::of_pieces(grain, start_ms, end_ms);
            (range, Content::Sums { grain, types })
        }
        Some(pb::export_events_request::Content::Events(events)) => {
            let event_type = event_type(&mut faults, &events.event_type);
            let range = Range::new(start_ms, end_ms, EXPORT_DAYS_MAX);
            (range, Content::Events { event_type })
        }
        None => return Err(refused("content", "must be sums or events")),
    };
    faults.check(DOMAIN)?;
    let kind = match request.format() {
        pb::ExportFormat::Unspecified | pb::ExportFormat::Csv => SheetKind::Csv,
        pb::ExportFormat::Parquet => SheetKind::Parquet,
    };
    Ok(ExportOrder {
        tenant,
        range: self::range(range)?,
        content,
        kind,
    })
}

fn refused(field: &'static str, fault: &'static str) -> Status {
    let mut faults = Violations::new();
    faults.add(field, fault);
    faults.check(DOMAIN).err().unwrap_or_else(missing)
}

pub(super) fn put_tenant(request: &pb::PutTenantRequest) -> Result<(TenantId, &str, i64), Status> {
    let mut faults = Violations::new();
    let tenant = faults.take("tenant_id", request.tenant_id.parse::<TenantId>());
    plan(&mut faults, &request.plan);
    let version = i64::try_from(request.plan_version)
        .ok()
        .filter(|&version| version > 0);
    let version = faults.take(
        "plan_version",
        version.ok_or("must be 1 to 9,223,372,036,854,775,807"),
    );
    faults.check(DOMAIN)?;
    let version = version.ok_or_else(missing)?;
    Ok((tenant.ok_or_else(missing)?, &request.plan, version))
}

fn missing() -> Status {
    Status::internal("a value without a fault is missing")
}
