//! Looks for days on which raw events and rollups do not agree.

use std::fmt;

use time::Date;
use tradepost_types::TenantId;

use crate::domain::Grain;
use crate::ports::{Books, StoreError, TenantDay};
use crate::rollup::{Key, Rollup};

/// Where raw events and rollups do not agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// Of which rollup.
    pub key: Key,
    /// By which grain.
    pub grain: Grain,
    /// What the raw events add up to; none: there are none.
    pub raw: Option<Rollup>,
    /// What the rollup says; none: there is none.
    pub kept: Option<Rollup>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key {
            tenant,
            start_ms,
            type_id,
        } = self.key;
        let grain = match self.grain {
            Grain::Minute => "minute",
            Grain::Hour => "hour",
            Grain::Day => "day",
        };
        write!(
            f,
            "{tenant}, event type {type_id}, the {grain} from {start_ms} ms since 1970: "
        )?;
        write!(f, "raw events say {}, ", Figures(self.raw.as_ref()))?;
        write!(f, "the rollup says {}", Figures(self.kept.as_ref()))
    }
}

struct Figures<'a>(Option<&'a Rollup>);

impl fmt::Display for Figures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rollup) = self.0 else {
            return f.write_str("nothing");
        };
        let Rollup {
            n, sum, min, max, ..
        } = rollup;
        let users = rollup.users.estimate();
        write!(f, "n {n}, sum {sum}, min {min}, max {max}, users {users}")
    }
}

/// What an audit found.
#[derive(Debug)]
pub struct Audited {
    /// Days of tenants that were looked at.
    pub days: usize,
    /// Days that have left for the archive since they were chosen: there is nothing to compare.
    pub gone: usize,
    /// Events that the raw side of them has.
    pub events: u64,
    /// The first disagreement; it ended the audit.
    pub disagreement: Option<Disagreement>,
}

/// Compares a sample of tenants' days.
///
/// # Errors
/// The store's.
pub async fn audit(
    books: &Books,
    sample: i64,
    tenant: Option<TenantId>,
    day: Option<Date>,
) -> Result<Audited, StoreError> {
    let mut audited = Audited {
        days: 0,
        gone: 0,
        events: 0,
        disagreement: None,
    };
    for (tenant, day) in books.sample(sample, tenant, day).await? {
        let Some(seen) = books.tenant_day(tenant, day).await? else {
            audited.gone += 1;
            continue;
        };
        audited.days += 1;
        audited.events += seen.raw.days.iter().map(|(_, raw)| raw.n).sum::<u64>();
        audited.disagreement = compare(&seen);
        if audited.disagreement.is_some() {
            break;
        }
    }
    Ok(audited)
}

/// The first rollup that is not what its raw events say.
fn compare(seen: &TenantDay) -> Option<Disagreement> {
    Grain::COARSEST_FIRST.into_iter().find_map(|grain| {
        let (raw, kept) = (seen.raw.of(grain), seen.kept.of(grain));
        let keys = raw.iter().chain(kept).map(|(key, _)| *key);
        keys.into_iter().find_map(|key| {
            let (raw, kept) = (at(raw, key), at(kept, key));
            let agree = raw
                .zip(kept)
                .is_some_and(|(raw, kept)| raw.agrees_with(kept));
            (!agree).then(|| Disagreement {
                key,
                grain,
                raw: raw.cloned(),
                kept: kept.cloned(),
            })
        })
    })
}

fn at(rollups: &[(Key, Rollup)], key: Key) -> Option<&Rollup> {
    let found = rollups.binary_search_by_key(&key, |(key, _)| *key).ok()?;
    rollups.get(found).map(|(_, rollup)| rollup)
}
