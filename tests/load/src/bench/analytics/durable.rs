//! Events stored as they happen: at a constant rate with questions beside it, and as many as there
//! can be.

use std::num::NonZeroU32;
use std::time::Duration;

use tradepost_proto::metrics::v1 as pb;

use super::questions::Questions;
use super::{counted, put_plans};
use crate::bench::report::{Rows, Unit};
use crate::bench::target::{self, Draw, Pool, Sent, Target, TargetError, Traffic, Wire};
use crate::samples::millis;

/// Batches that are made beforehand.
const POOL: usize = 2_048;
const SEED: u64 = 4;
/// Streams on each connection, and questions a second.
const STREAMS: usize = 2;
const QUESTIONS: u32 = 10;

/// What load.
#[derive(Debug, Clone, Copy)]
pub struct Durable {
    /// Events a second of the constant rate.
    pub rate: NonZeroU32,
    /// For how long.
    pub seconds: NonZeroU32,
    /// How long as many come as there can be.
    pub flood_seconds: NonZeroU32,
    /// Events of a batch, packed.
    pub batch: usize,
    /// Tenants, by Zipf's law.
    pub tenants: usize,
    /// Event types of each.
    pub types: usize,
}

impl Durable {
    /// Stores events at the rate, and then as many as there can be.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn run(&self, target: &Target, admin_url: &str) -> Result<Rows, TargetError> {
        let mut rows = Rows::default();
        let mut draw = self.draw();
        put_plans(target, &draw).await?;
        let pool = self.pool(&mut draw);
        let before = counted(admin_url).await?;

        let window = seconds(self.seconds);
        let batch = u32::try_from(self.batch).unwrap_or(u32::MAX).max(1);
        let rate = NonZeroU32::new(self.rate.get() / batch).unwrap_or(NonZeroU32::MIN);
        let loading =
            target::paced::<pb::IngestEventsResponse>(target, &pool, (rate, STREAMS), window);
        let questions = Questions::new(self.draw(), (0, i64::MAX));
        let asking = questions.paced(target, QUESTIONS, window);
        let (steady, asked) = tokio::join!(loading, asking);
        let (steady, asked) = (steady?, asked?);
        let name = format!("stored at {} offered/s for {} s", self.rate, self.seconds);
        rows.median(&name, steady.rate(), Unit::EventsPerSecond);
        tell(&mut rows, &name, &steady);
        let quantiles = asked.quantiles();
        rows.median(
            "questions beside it: p50",
            quantiles.p50,
            Unit::Milliseconds,
        );
        rows.median(
            "questions beside it: p99",
            quantiles.p99,
            Unit::Milliseconds,
        );

        let flood =
            target::flood::<pb::IngestEventsResponse>(target, &pool, seconds(self.flood_seconds));
        let flood = flood.await?;
        let name = format!(
            "stored, as many as there can be for {} s",
            self.flood_seconds
        );
        rows.median(&name, flood.rate(), Unit::EventsPerSecond);
        tell(&mut rows, &name, &flood);

        let acknowledged = steady.accepted + flood.accepted;
        let stored = counted(admin_url).await? - before;
        let differs = acknowledged.abs_diff(stored);
        rows.worst(
            "events acknowledged and not stored, or the other way",
            differs as f64,
            Unit::Events,
        );
        Ok(rows)
    }

    fn draw(&self) -> Draw {
        Draw::new(Traffic {
            tenants: self.tenants,
            types: self.types,
            users: 1_000,
            seed: SEED,
        })
    }

    fn pool(&self, draw: &mut Draw) -> Pool {
        let drafts = (0..POOL).map(|_| {
            let tenant = draw.tenant();
            draw.draft(tenant, self.batch)
        });
        Pool::new(Wire::Packed, drafts.collect())
    }
}

fn tell(rows: &mut Rows, name: &str, sent: &Sent) {
    for (quantile, permille) in [("p50", 500), ("p99", 990)] {
        let time = sent.latencies.permille(permille).map(millis);
        let name = format!("{name}: receipt {quantile}");
        rows.median(&name, time, Unit::Milliseconds);
    }
    let percent = format!("{name}: service's processor, of one core");
    rows.median(&percent, sent.percent_of_core(), Unit::Percent);
    rows.worst(
        &format!("{name}: refused"),
        sent.refused as f64,
        Unit::Events,
    );
    let broke = format!("{name}: streams that broke");
    rows.worst(&broke, sent.ended.len() as f64, Unit::Requests);
    sent.ended
        .iter()
        .for_each(|why| rows.tell(format!("{name}: {why}")));
}

fn seconds(seconds: NonZeroU32) -> Duration {
    Duration::from_secs(seconds.get().into())
}
