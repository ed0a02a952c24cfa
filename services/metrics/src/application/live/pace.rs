//! How fast a tenant may be, so that none takes the node from the others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tradepost_types::TenantId;

/// How far ahead of its pace a tenant may get.
const AHEAD_MAX: Duration = Duration::from_secs(1);

/// By tenant, until when what it sent would have lasted at its pace: a token bucket in one number.
#[derive(Debug)]
pub(super) struct Pace {
    events_per_second: f64,
    tenants_max: usize,
    lasts_until: Mutex<HashMap<TenantId, Instant>>,
}

impl Pace {
    pub(super) fn new(events_per_second: u32, tenants_max: usize) -> Self {
        Self {
            events_per_second: f64::from(events_per_second),
            tenants_max,
            lasts_until: Mutex::default(),
        }
    }

    /// Notes that a tenant sends so many events, or says after which time it may. A batch of any
    /// size passes once the tenant is not ahead; it then waits the longer for the next.
    pub(super) fn charge(
        &self,
        tenant: TenantId,
        events: usize,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut all = self.lasts_until();
        if all.len() >= self.tenants_max && !all.contains_key(&tenant) {
            make_room(&mut all, self.tenants_max, now);
        }
        let lasts_until = all.entry(tenant).or_insert(now);
        let ahead = lasts_until.saturating_duration_since(now);
        if ahead > AHEAD_MAX {
            return Err(ahead - AHEAD_MAX);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "a batch has at most 50,000 events"
        )]
        let takes = Duration::from_secs_f64(events as f64 / self.events_per_second);
        *lasts_until = (*lasts_until).max(now) + takes;
        Ok(())
    }

    pub(super) fn forget_idle(&self, now: Instant) {
        self.lasts_until()
            .retain(|_, lasts_until| *lasts_until > now);
    }

    fn lasts_until(&self) -> MutexGuard<'_, HashMap<TenantId, Instant>> {
        self.lasts_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is not ahead need not be remembered; if all are, who is least ahead gains least by being
/// forgotten.
fn make_room(all: &mut HashMap<TenantId, Instant>, tenants_max: usize, now: Instant) {
    all.retain(|_, lasts_until| *lasts_until > now);
    if all.len() >= tenants_max
        && let Some((&least, _)) = all.iter().min_by_key(|(_, lasts_until)| **lasts_until)
    {
        all.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_gets_its_pace_over_time_and_a_second_ahead() {
        let pace = Pace::new(1_000, 10);
        let (tenant, start) = (TenantId::new(), Instant::now());
        let mut passed = 0;

        for step in 0..100 {
            let now = start + Duration::from_millis(100) * step;
            while pace.charge(tenant, 100, now).is_ok() {
                passed += 100;
            }
        }

        assert!(
            (10_900..=11_200).contains(&passed),
            "{passed} in ten seconds"
        );
    }

    #[test]
    fn one_tenants_haste_is_not_anothers() {
        let pace = Pace::new(1_000, 1);
        let (hasty, other, now) = (TenantId::new(), TenantId::new(), Instant::now());
        let wait = Duration::from_secs(49);

        assert_eq!(pace.charge(hasty, 50_000, now), Ok(()));

        assert_eq!(pace.charge(hasty, 1, now), Err(wait));
        assert_eq!(pace.charge(other, 1, now), Ok(()));
        assert_eq!(pace.charge(hasty, 1, now + wait), Ok(()));
    }

    #[test]
    fn of_more_tenants_than_may_be_remembered_the_hastiest_are() {
        let pace = Pace::new(1_000, 10);
        let (hasty, now) = (TenantId::new(), Instant::now());
        assert_eq!(pace.charge(hasty, 50_000, now), Ok(()));

        for _ in 0..100 {
            assert_eq!(pace.charge(TenantId::new(), 3_000, now), Ok(()));
        }

        assert_eq!(pace.lasts_until().len(), 10);
        assert!(pace.charge(hasty, 1, now).is_err());
    }

    #[test]
    fn who_is_not_ahead_is_forgotten() {
        let pace = Pace::new(1_000, 100);
        let now = Instant::now();
        assert_eq!(pace.charge(TenantId::new(), 1, now), Ok(()));

        pace.forget_idle(now + Duration::from_millis(2));

        assert!(pace.lasts_until().is_empty());
    }
}
