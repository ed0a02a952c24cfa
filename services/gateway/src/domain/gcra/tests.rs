use proptest::prelude::*;

use super::*;

const PERIODS: [Period; 4] = [Period::Second, Period::Minute, Period::Hour, Period::Day];

/// One bucket on a clock that is told.
struct Bucket {
    quota: Quota,
    tat: u64,
}

impl Bucket {
    fn new(quota: Quota) -> Self {
        Self { quota, tat: 0 }
    }

    fn backlog(&self, now: u64) -> u64 {
        self.tat.saturating_sub(now)
    }

    fn charge(&mut self, now: u64, cost: u32) -> Result<(), Wait> {
        let backlog = self.quota.charge(self.backlog(now), cost)?;
        self.tat = now + backlog;
        Ok(())
    }
}

#[test]
fn a_burst_is_as_large_as_the_limit_and_one_more_is_refused() {
    let mut bucket = Bucket::new(Quota::new(1_000, Period::Minute));

    let admitted = (0..1_000).filter(|_| bucket.charge(7, 1).is_ok()).count();
    let refused = bucket.charge(7, 1);

    assert_eq!(admitted, 1_000);
    assert_eq!(refused, Err(Wait { wait_us: 60_000 }));
    assert_eq!(bucket.charge(7 + 60_000, 1), Ok(()));
}

#[test]
fn an_interval_that_is_no_whole_number_is_rounded_up() {
    let quota = Quota::new(7, Period::Minute);

    assert_eq!(quota.increment_us(1), 8_571_429);
    assert_eq!(quota.remaining(0), 7);
}

#[test]
fn a_share_of_a_quota_is_as_full_as_the_whole() {
    let whole = Quota::new(1_000, Period::Minute);
    let half_used = whole.capacity_us() / 2;

    assert_eq!(whole.remaining(half_used), 500);
    assert_eq!(whole.shared_by(4).remaining(half_used), 125);
    assert_eq!(whole.shared_by(4).remaining(0), 250);
}

#[test]
fn a_share_is_one_request_at_least() {
    let share = Quota::new(5, Period::Minute).shared_by(50);

    assert_eq!(share.remaining(0), 1);
    assert!(share.charge(0, 1).is_ok());
}

#[test]
fn what_costs_more_than_there_is_takes_all_of_it() {
    let quota = Quota::new(10, Period::Minute);

    assert_eq!(quota.charge(0, 11), Ok(quota.capacity_us()));
    assert!(quota.charge(1, 11).is_err());
}

fn a_quota() -> impl Strategy<Value = Quota> {
    (1_u32..20_000_000, 0..PERIODS.len(), 1_u32..20)
        .prop_map(|(limit, period, shares)| Quota::new(limit, PERIODS[period]).shared_by(shares))
}

/// Pauses before requests, and what the requests cost.
fn a_load() -> impl Strategy<Value = Vec<(u64, u32)>> {
    let pause = prop_oneof![Just(0_u64), 0_u64..2_000, 0_u64..90_000_000];
    prop::collection::vec((pause, 1_u32..50), 1..300)
}

proptest! {
    #[test]
    fn no_stretch_of_time_admits_more_than_the_burst_and_the_rate_over_it(
        limit in 1_u32..2_000,
        period in 0..PERIODS.len(),
        load in a_load(),
    ) {
        let quota = Quota::new(limit, PERIODS[period]);
        let mut bucket = Bucket::new(quota);
        let mut now = 1_000;
        let mut admitted: Vec<(u64, u64)> = Vec::new();
        for (pause, cost) in load {
            now += pause;
            if bucket.charge(now, cost).is_ok() {
                admitted.push((now, u64::from(cost.min(limit))));
            }
        }

        let period_us = u128::from(PERIODS[period].seconds()) * 1_000_000;
        for (first, (from, _)) in admitted.iter().enumerate() {
            let mut sum = 0_u128;
            for (until, cost) in &admitted[first..] {
                sum += u128::from(*cost);
                let most = u128::from(limit) * (period_us + u128::from(until - from));
                prop_assert!(sum * period_us <= most, "{sum} in {} us", until - from);
            }
        }
    }

    #[test]
    fn a_refusal_changes_nothing_and_after_the_told_time_the_same_is_admitted(
        quota in a_quota(),
        load in a_load(),
    ) {
        let mut bucket = Bucket::new(quota);
        let mut now = 1_000;
        for (pause, cost) in load {
            now += pause;
            let before = bucket.tat;
            if let Err(wait) = bucket.charge(now, cost) {
                prop_assert_eq!(bucket.tat, before);
                prop_assert!(quota.charge(bucket.backlog(now + wait.wait_us - 1), cost).is_err());
                prop_assert!(quota.charge(bucket.backlog(now + wait.wait_us), cost).is_ok());
            }
        }
    }

    #[test]
    fn what_is_said_to_remain_is_admitted_and_no_more(quota in a_quota(), used in 0_u64..u64::MAX) {
        let backlog = used % (quota.capacity_us() + 1);
        let remaining = quota.remaining(backlog);

        if remaining > 0 {
            prop_assert!(quota.charge(backlog, remaining).is_ok());
            prop_assert_eq!(quota.reset_us(backlog), backlog);
        } else {
            let wait = quota.reset_us(backlog);
            prop_assert_eq!(quota.charge(backlog, 1), Err(Wait { wait_us: wait }));
            prop_assert!(quota.remaining(backlog - wait) == 1);
        }
        let one_more = remaining.saturating_add(1);
        prop_assert!(backlog == 0 || quota.charge(backlog, one_more).is_err());
    }

    #[test]
    fn two_buckets_behind_one_clock_agree_however_the_clock_is_set(
        quota in a_quota(),
        load in a_load(),
        skew in 0_u64..1_000_000_000_000,
    ) {
        let (mut one, mut other) = (Bucket::new(quota), Bucket::new(quota));
        let mut now = 1_000;
        for (pause, cost) in load {
            now += pause;
            prop_assert_eq!(one.charge(now, cost), other.charge(now + skew, cost));
        }
    }
}
