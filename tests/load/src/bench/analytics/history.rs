//! A long history: two years of a thousand tenants, stored day by day through the service, as its
//! producers would have sent it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use prost::Message;
use tradepost_proto::metrics::v1 as pb;

use super::{admin, counted, put_plans, space};
use crate::bench::report::{Rows, Unit};
use crate::bench::target::{
    self, Draw, Frame, Head, Target, TargetError, Traffic, Wire, now_ms, user_name, whole,
};

const DAY_MS: i64 = 86_400_000;
const SEED: u64 = 4;
/// What an event takes on the disk: its row, its place in the index, its share of the sums; and what
/// the log and the sorting of the raw query take besides.
const EVENT_BYTES: u64 = 190;
const BESIDES_BYTES: u64 = 4_000_000_000;
/// Users of each tenant.
const USERS: usize = 1_000;

/// What history.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// About how many events.
    pub events: u64,
    /// Days up to now that they are spread over.
    pub days: NonZeroU32,
    /// Tenants, by Zipf's law.
    pub tenants: usize,
    /// Event types of each.
    pub types: usize,
}

/// How far it is: events that are on their way or there.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl History {
    /// Refuses what the disk of the database has no room for.
    ///
    /// # Errors
    /// [`TargetError::Wrong`] with what is needed and what there is.
    pub async fn check_room(&self, admin_url: &str) -> Result<(), TargetError> {
        let asked = sqlx::query_scalar("show data_directory");
        let place: String = asked.fetch_one(&mut admin(admin_url).await?).await?;
        let needed = self.events * EVENT_BYTES + BESIDES_BYTES.min(self.events * EVENT_BYTES);
        let what = format!("a history of {} events", self.events);
        space::check(Path::new(&place), &what, needed)
    }

    /// Stores it. It may be stored once in a database: sent again it counts as sent before.
    ///
    /// # Errors
    /// [`TargetError`]; also where not all that was acknowledged is there.
    pub async fn store(
        &self,
        target: &Target,
        admin_url: &str,
        progress: &Progress,
    ) -> Result<Rows, TargetError> {
        let mut rows = Rows::default();
        self.check_days(admin_url).await?;
        put_plans(target, &self.draw(0)).await?;
        let before = counted(admin_url).await?;
        let lanes = target.connections.max(1);
        let started = Instant::now();
        let last_day = now_ms() / DAY_MS - 1;
        let first_day = last_day + 1 - i64::from(self.days.get());
        let frames = (0..lanes).map(|lane| {
            let mut draw = self.draw(lane as u64);
            let (whole, progress) = (*self, progress.clone());
            let ranks = (lane..self.tenants).step_by(lanes);
            let places = (first_day..=last_day)
                .flat_map(move |day| ranks.clone().map(move |rank| (day, rank)));
            let frames = places.filter_map(move |place| {
                let (frame, events) = whole.batch(&mut draw, place, first_day)?;
                progress.0.fetch_add(events, Ordering::Relaxed);
                Some(frame)
            });
            futures::stream::iter(frames)
        });
        let frames: Vec<_> = frames.collect();
        let made = self.made_in(lanes);
        let sent = target::send::<pb::IngestEventsResponse, _>(target, frames).await?;
        let took = started.elapsed();
        rows.median("history: events", sent.accepted as f64, Unit::Events);
        rows.median("history: stored in", took.as_secs_f64(), Unit::Seconds);
        rows.median("history: made in, of that", made, Unit::Seconds);
        rows.median("history: stored", sent.rate(), Unit::EventsPerSecond);
        rows.worst("history: refused", sent.refused as f64, Unit::Events);
        rows.worst(
            "history: streams that broke",
            sent.ended.len() as f64,
            Unit::Requests,
        );
        sent.ended
            .iter()
            .for_each(|why| rows.tell(format!("history: {why}")));
        let stored = counted(admin_url).await? - before;
        let differs = stored.abs_diff(sent.accepted);
        rows.worst(
            "history: acknowledged and not stored, or the other way",
            differs as f64,
            Unit::Events,
        );
        self.settle(admin_url, &mut rows).await?;
        Ok(rows)
    }

    /// Without their partitions all events would go into quarantine.
    async fn check_days(&self, admin_url: &str) -> Result<(), TargetError> {
        let asked = sqlx::query_scalar("select count(*) from event_days where day < current_date");
        let days: i64 = asked.fetch_one(&mut admin(admin_url).await?).await?;
        let wanted = self.days.get();
        if days >= i64::from(wanted) {
            return Ok(());
        }
        let why = format!("the service has partitions of {days} days, and {wanted} are wanted");
        Err(TargetError::Wrong(why))
    }

    /// About how many seconds of processor time it takes to make all of it.
    fn made_in(&self, lanes: usize) -> f64 {
        const SOME: usize = 50_000;
        let (mut draw, started) = (self.draw(lanes as u64), Instant::now());
        drop(body(&mut draw, SOME));
        started.elapsed().as_secs_f64() * self.events as f64 / SOME as f64
    }

    /// What autovacuum would do in its own time, so that it is not at work while others are timed.
    async fn settle(&self, admin_url: &str, rows: &mut Rows) -> Result<(), TargetError> {
        let mut admin = admin(admin_url).await?;
        let started = Instant::now();
        for statement in [
            "vacuum (analyze) rollup_days",
            "vacuum (analyze) rollup_hours",
            "analyze events",
            "checkpoint",
        ] {
            sqlx::query(statement).execute(&mut admin).await?;
        }
        rows.median(
            "history: vacuum of sums, analyze",
            started.elapsed().as_secs_f64(),
            Unit::Seconds,
        );
        for (name, statement) in [
            (
                "history: events on the disk",
                "select sum(pg_total_relation_size(c.oid))::bigint
                from pg_inherits i join pg_class c on c.oid = i.inhrelid
                where i.inhparent = 'events'::regclass and c.relkind = 'r'",
            ),
            (
                "history: sums on the disk",
                "select pg_total_relation_size('rollup_days')
                + pg_total_relation_size('rollup_hours')
                + pg_total_relation_size('rollup_minutes')",
            ),
        ] {
            let bytes: Option<i64> = sqlx::query_scalar(statement).fetch_one(&mut admin).await?;
            rows.median(name, bytes.map(|bytes| bytes as f64 / 1e6), Unit::Megabytes);
        }
        Ok(())
    }

    /// From when on there are events, and up to when, in milliseconds.
    #[must_use]
    pub fn range_ms(&self) -> (i64, i64) {
        let end_day = now_ms() / DAY_MS;
        (
            (end_day - i64::from(self.days.get())) * DAY_MS,
            end_day * DAY_MS - 1,
        )
    }

    pub(super) fn draw(&self, lane: u64) -> Draw {
        let mut draw = Draw::new(Traffic {
            tenants: self.tenants,
            types: self.types,
            users: USERS,
            seed: SEED,
        });
        // The same tenants in each lane, and other events.
        draw.reseed(SEED << 8 | lane);
        draw
    }

    /// What a tenant did on a day; nothing, if that is what it did.
    fn batch(
        &self,
        draw: &mut Draw,
        (day, rank): (i64, usize),
        first_day: i64,
    ) -> Option<(Frame, u64)> {
        let a_day = self.events as f64 / f64::from(self.days.get());
        let expected = a_day * draw.share(rank);
        let odd = draw.chance() < expected.fract();
        let count = whole(expected) + usize::from(odd);
        if count == 0 {
            return None;
        }
        let body = body(draw, count);
        let head = Head {
            tenant: &draw.tenants().get(rank)?.to_string(),
            producer: "history",
            sequence: u64::try_from(day - first_day).ok()? + 1,
            base_time_ms: day * DAY_MS,
        };
        Some((Frame::new(Wire::Packed, head, body), count as u64))
    }
}

/// So many milliseconds of a day, in order, more of them around noon.
fn moments(draw: &mut Draw, count: usize) -> Vec<u32> {
    let mut moments: Vec<u32> = (0..count)
        .map(|_| {
            let noonish = (draw.chance() + draw.chance()) / 2.0;
            u32::try_from(whole(noonish * DAY_MS as f64)).unwrap_or(0)
        })
        .collect();
    moments.sort_unstable();
    moments
}

/// Events of a day, more of them around noon, as they happened one after the other: a producer sends
/// what it has seen.
fn body(draw: &mut Draw, count: usize) -> Bytes {
    let mut batch = pb::PackedBatch {
        event_types: draw.types().to_vec(),
        ..pb::PackedBatch::default()
    };
    let mut places = HashMap::new();
    let mut records = Vec::with_capacity(count * 20);
    for after_ms in moments(draw, count) {
        let user = draw.user();
        let place = *places.entry(user).or_insert_with(|| {
            batch.user_ids.push(user_name(user));
            u32::try_from(batch.user_ids.len()).unwrap_or(0)
        });
        let event_type = u32::try_from(draw.event_type()).unwrap_or(0);
        records.extend(after_ms.to_le_bytes());
        records.extend(event_type.to_le_bytes());
        records.extend(place.to_le_bytes());
        records.extend(draw.value().to_le_bytes());
    }
    batch.records = records.into();
    batch.encode_to_vec().into()
}
