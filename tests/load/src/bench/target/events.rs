//! Made-up events that look like a shop's: a few tenants have most of them, a few users of each are
//! busy, and what takes milliseconds takes some tens of them and now and then a second. The same
//! seed makes the same events.

use bytes::Bytes;
use prost::Message;
use prost_types::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::Clock;
use tradepost_types::TenantId;
use uuid::Uuid;

/// What happens in a shop.
const WORDS: [&str; 10] = [
    "page.viewed",
    "search.answered",
    "cart.changed",
    "order.placed",
    "order.confirmed",
    "payment.captured",
    "parcel.shipped",
    "api.called",
    "image.served",
    "mail.sent",
];

/// How many there are of what.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) struct Traffic {
    /// Tenants.
    pub(in crate::bench) tenants: usize,
    /// Event types of each.
    pub(in crate::bench) types: usize,
    /// Users of each tenant.
    pub(in crate::bench) users: usize,
    /// What all of it is drawn from.
    pub(in crate::bench) seed: u64,
}

/// Draws events.
#[derive(Debug)]
pub(in crate::bench) struct Draw {
    random: StdRng,
    tenants: Vec<TenantId>,
    /// The share of the tenants up to each, ascending to 1 (Zipf, exponent 1).
    shares: Vec<f64>,
    types: Vec<String>,
    users: usize,
}

/// Events of one tenant, without the moment they happen.
#[derive(Debug, Clone)]
pub(in crate::bench) struct Draft {
    /// The tenant, as text.
    pub(in crate::bench) tenant: String,
    /// How many they are.
    pub(in crate::bench) count: usize,
    events: Vec<pb::Event>,
}

impl Draw {
    pub(in crate::bench) fn new(traffic: Traffic) -> Self {
        let weights = (1..=traffic.tenants.max(1)).map(|rank| 1.0 / rank as f64);
        let whole: f64 = weights.clone().sum();
        let shares = weights.scan(0.0, |upto, weight| {
            *upto += weight / whole;
            Some(*upto)
        });
        let random = StdRng::seed_from_u64(traffic.seed);
        let parent = Uuid::from_u128(traffic.seed.into());
        let tenants = (0..traffic.tenants.max(1))
            .map(|rank| TenantId::derive(parent, &format!("tenant-{rank}")));
        let word = |number: usize| match WORDS.get(number) {
            Some(word) => (*word).to_owned(),
            None => format!("custom.event-{number}"),
        };
        Self {
            tenants: tenants.collect(),
            shares: shares.collect(),
            types: (0..traffic.types.max(1)).map(word).collect(),
            users: traffic.users.max(1),
            random,
        }
    }

    /// The tenants, the busiest first.
    pub(in crate::bench) fn tenants(&self) -> &[TenantId] {
        &self.tenants
    }

    /// The event types.
    pub(in crate::bench) fn types(&self) -> &[String] {
        &self.types
    }

    /// The share of all events that the tenant of a rank has.
    pub(in crate::bench) fn share(&self, rank: usize) -> f64 {
        let upto = |rank: usize| self.shares.get(rank).copied().unwrap_or(1.0);
        upto(rank) - rank.checked_sub(1).map_or(0.0, upto)
    }

    /// A tenant, the busy ones more often.
    pub(in crate::bench) fn tenant(&mut self) -> TenantId {
        let chance: f64 = self.random.random();
        let rank = self.shares.partition_point(|upto| *upto < chance);
        let last = self.tenants.len() - 1;
        #[expect(
            clippy::indexing_slicing,
            reason = "there is at least one, and the last is the last"
        )]
        self.tenants[rank.min(last)]
    }

    /// The place of an event type, the first ones more often.
    pub(in crate::bench) fn event_type(&mut self) -> usize {
        skewed(&mut self.random, self.types.len())
    }

    /// The number of a user, the first ones more often.
    pub(in crate::bench) fn user(&mut self) -> usize {
        skewed(&mut self.random, self.users)
    }

    /// Milliseconds that something took, to a hundredth, and over a hundred to a tenth.
    pub(in crate::bench) fn value(&mut self) -> f64 {
        // The sum of twelve even chances is near enough to a bell.
        let bell: f64 = (0..12).map(|_| self.random.random::<f64>()).sum::<f64>() - 6.0;
        let millis = (3.4 + 1.1 * bell).exp();
        let grain = if millis < 100.0 { 100.0 } else { 10.0 };
        (millis * grain).round().max(1.0) / grain
    }

    /// Draws other events of the same tenants from now on.
    pub(in crate::bench) fn reseed(&mut self, seed: u64) {
        self.random = StdRng::seed_from_u64(seed);
    }

    /// An even chance of 0 to 1.
    pub(in crate::bench) fn chance(&mut self) -> f64 {
        self.random.random()
    }

    /// An even chance below `end`.
    pub(in crate::bench) fn below(&mut self, end: u32) -> u32 {
        self.random.random_range(0..end.max(1))
    }

    /// So many events of a tenant, of types as they come.
    pub(in crate::bench) fn draft(&mut self, tenant: TenantId, count: usize) -> Draft {
        let events = (0..count).map(|_| {
            let event_type = self.event_type();
            self.event(event_type)
        });
        let events = events.collect();
        Draft::new(tenant, events)
    }

    /// One event of each type of a tenant.
    pub(in crate::bench) fn one_of_each(&mut self, tenant: TenantId) -> Draft {
        let events = (0..self.types.len()).map(|event_type| self.event(event_type));
        let events = events.collect();
        Draft::new(tenant, events)
    }

    fn event(&mut self, event_type: usize) -> pb::Event {
        pb::Event {
            event_time: None,
            user_id: user_name(self.user()),
            event_type: self.types.get(event_type).cloned().unwrap_or_default(),
            value: self.value(),
        }
    }
}

impl Draft {
    fn new(tenant: TenantId, events: Vec<pb::Event>) -> Self {
        Self {
            tenant: tenant.to_string(),
            count: events.len(),
            events,
        }
    }

    /// The first event, as it happens now.
    pub(in crate::bench) fn single(&self, now_ms: i64) -> pb::Event {
        let mut event = self.events.first().cloned().unwrap_or_default();
        event.event_time = Some(timestamp(now_ms));
        event
    }

    /// The events in their readable form, as if they had come over the last milliseconds: what
    /// stands behind the head of an `EventBatch`.
    pub(in crate::bench) fn readable(&self, now_ms: i64) -> Bytes {
        let mut events = self.events.clone();
        for (place, event) in events.iter_mut().rev().enumerate() {
            event.event_time = Some(timestamp(now_ms - (place as i64) / 20));
        }
        let batch = pb::EventBatch {
            events,
            ..pb::EventBatch::default()
        };
        batch.encode_to_vec().into()
    }

    /// The same in the packed form: what stands behind the head of a `PackedBatch`. Times count from
    /// `base_time_ms`, in the head.
    pub(in crate::bench) fn packed(&self) -> Bytes {
        let mut batch = pb::PackedBatch::default();
        let mut records = Vec::with_capacity(self.count * 20);
        for (place, event) in self.events.iter().enumerate() {
            let event_type = place_of(&mut batch.event_types, &event.event_type);
            let user = place_of(&mut batch.user_ids, &event.user_id) + 1;
            let after_ms = u32::try_from(place / 20).unwrap_or(u32::MAX);
            records.extend(after_ms.to_le_bytes());
            records.extend(event_type.to_le_bytes());
            records.extend(user.to_le_bytes());
            records.extend(event.value.to_le_bytes());
        }
        batch.records = records.into();
        batch.encode_to_vec().into()
    }
}

/// Now, in milliseconds since 1970.
pub(in crate::bench) fn now_ms() -> i64 {
    let nanos = Clock::system().now().unix_timestamp_nanos();
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

/// What a user of that number is called.
pub(in crate::bench) fn user_name(number: usize) -> String {
    format!("user_{number:05}")
}

pub(in crate::bench) fn timestamp(time_ms: i64) -> Timestamp {
    Timestamp {
        seconds: time_ms.div_euclid(1_000),
        nanos: i32::try_from(time_ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0),
    }
}

/// The place of a text in a list, where it is put if it is not there.
fn place_of(list: &mut Vec<String>, text: &str) -> u32 {
    let found = list.iter().position(|known| known == text);
    let place = found.unwrap_or_else(|| {
        list.push(text.to_owned());
        list.len() - 1
    });
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// The whole part of a number that is not negative, and small.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is too large or negative becomes the greatest or the least"
)]
pub(in crate::bench) fn whole(number: f64) -> usize {
    number as usize
}

/// The square of an even chance.
fn skewed(random: &mut StdRng, count: usize) -> usize {
    let chance: f64 = random.random();
    whole(chance * chance * count as f64).min(count.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAFFIC: Traffic = Traffic {
        tenants: 100,
        types: 10,
        users: 1_000,
        seed: 7,
    };

    #[test]
    fn the_same_seed_makes_the_same_events() {
        let drawn = |seed| {
            let mut draw = Draw::new(Traffic { seed, ..TRAFFIC });
            let tenant = draw.tenant();
            (tenant, draw.draft(tenant, 50).packed())
        };

        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn a_few_tenants_have_most_and_values_look_like_milliseconds() {
        let mut draw = Draw::new(TRAFFIC);
        let busiest = draw.tenants()[0];

        let hits = (0..10_000).filter(|_| draw.tenant() == busiest).count();
        let mut values: Vec<f64> = (0..10_000).map(|_| draw.value()).collect();

        assert!((1_500..2_300).contains(&hits), "{hits} of 10,000");
        let shares: f64 = (0..100).map(|rank| draw.share(rank)).sum();
        assert!((shares - 1.0).abs() < 1e-9);
        values.sort_unstable_by(f64::total_cmp);
        assert!(values[0] > 0.0 && (20.0..45.0).contains(&values[5_000]));
        assert!((150.0..1_000.0).contains(&values[9_900]));
        assert!(
            values
                .iter()
                .all(|value| (value * 100.0 - (value * 100.0).round()).abs() < 1e-6)
        );
    }

    #[test]
    fn both_forms_have_the_same_events() {
        let mut draw = Draw::new(TRAFFIC);
        let tenant = draw.tenant();
        let draft = draw.draft(tenant, 30);

        let readable = pb::EventBatch::decode(draft.readable(1_700_000_000_000)).unwrap();
        let packed = pb::PackedBatch::decode(draft.packed()).unwrap();

        assert_eq!((readable.events.len(), packed.records.len()), (30, 600));
        for (event, record) in readable.events.iter().zip(packed.records.chunks_exact(20)) {
            let place = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
            assert_eq!(event.event_type, packed.event_types[place(4) as usize]);
            assert_eq!(event.user_id, packed.user_ids[place(8) as usize - 1]);
            assert_eq!(event.value.to_le_bytes(), record[12..]);
        }
    }
}
