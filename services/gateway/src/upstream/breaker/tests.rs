use proptest::prelude::*;

use super::*;

const OPEN: Duration = Duration::from_secs(5);

struct Bench {
    breaker: Breaker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            breaker: Breaker::new(OPEN, now),
            now,
        }
    }

    /// A call that is let through and goes as told.
    fn call(&mut self, health: Health) -> bool {
        let admitted = self.breaker.admit(self.now);
        if let Ok(ticket) = admitted {
            self.breaker.settle(ticket, health, self.now);
        }
        admitted.is_ok()
    }

    fn calls(&mut self, times: u32, health: Health) {
        for _ in 0..times {
            assert!(self.call(health));
        }
    }

    fn opened() -> Self {
        let mut bench = Self::new();
        bench.calls(CALLS_MIN, Health::Failed);
        assert_eq!(bench.breaker.standing(), Standing::Open);
        bench
    }
}

#[test]
fn it_opens_at_half_of_enough_calls() {
    let mut bench = Bench::new();
    bench.calls(CALLS_MIN / 2, Health::Good);
    bench.calls(CALLS_MIN / 2 - 1, Health::Failed);
    assert_eq!(bench.breaker.standing(), Standing::Closed);

    bench.calls(1, Health::Failed);

    assert_eq!(bench.breaker.standing(), Standing::Open);
    assert_eq!(bench.breaker.admit(bench.now), Err(OPEN));
}

#[test]
fn a_few_failures_say_nothing_and_old_ones_are_forgotten() {
    let mut bench = Bench::new();
    bench.calls(CALLS_MIN - 1, Health::Failed);
    assert_eq!(bench.breaker.standing(), Standing::Closed);

    bench.now += SLOT * 11;
    bench.calls(CALLS_MIN - 1, Health::Failed);

    assert_eq!(bench.breaker.standing(), Standing::Closed);
}

#[test]
fn crawling_opens_it_too_but_not_as_soon() {
    let mut bench = Bench::new();
    bench.calls(CALLS_MIN, Health::Good);
    bench.calls(CALLS_MIN * 4 - 1, Health::Slow);
    assert_eq!(bench.breaker.standing(), Standing::Closed);

    bench.calls(1, Health::Slow);

    assert_eq!(bench.breaker.standing(), Standing::Open);
}

#[test]
fn callers_who_leave_say_nothing() {
    let mut bench = Bench::new();
    bench.calls(CALLS_MIN * 10, Health::Unknown);
    assert_eq!(bench.breaker.standing(), Standing::Closed);
}

#[test]
fn after_its_time_a_few_calls_try_and_close_it() {
    let mut bench = Bench::opened();
    bench.now += OPEN - Duration::from_millis(1);
    assert!(!bench.call(Health::Good));
    bench.now += Duration::from_millis(1);

    let tickets: Vec<_> = (0..PROBES)
        .map(|_| bench.breaker.admit(bench.now).unwrap())
        .collect();

    assert_eq!(bench.breaker.standing(), Standing::HalfOpen);
    assert_eq!(bench.breaker.admit(bench.now), Err(RETRY_AFTER_PROBES));
    for ticket in tickets {
        bench.breaker.settle(ticket, Health::Good, bench.now);
    }
    assert_eq!(bench.breaker.standing(), Standing::Closed);
    // What was before is forgotten.
    bench.calls(CALLS_MIN - 1, Health::Failed);
    assert_eq!(bench.breaker.standing(), Standing::Closed);
}

#[test]
fn one_failing_trial_opens_it_again() {
    for health in [Health::Failed, Health::Slow] {
        let mut bench = Bench::opened();
        bench.now += OPEN;
        bench.calls(1, Health::Good);
        bench.calls(1, health);
        assert_eq!(bench.breaker.standing(), Standing::Open);
        assert_eq!(bench.breaker.admit(bench.now), Err(OPEN));
    }
}

#[test]
fn a_trial_whose_caller_leaves_gives_its_place_back() {
    let mut bench = Bench::opened();
    bench.now += OPEN;
    bench.calls(PROBES * 5, Health::Unknown);
    assert_eq!(bench.breaker.standing(), Standing::HalfOpen);
    bench.calls(PROBES, Health::Good);
    assert_eq!(bench.breaker.standing(), Standing::Closed);
}

#[test]
fn a_result_from_before_a_change_is_ignored() {
    let mut bench = Bench::new();
    let early = bench.breaker.admit(bench.now).unwrap();
    bench.calls(CALLS_MIN, Health::Failed);
    bench.now += OPEN;
    let trial = bench.breaker.admit(bench.now).unwrap();

    bench.breaker.settle(early, Health::Failed, bench.now);
    assert_eq!(bench.breaker.standing(), Standing::HalfOpen);

    bench.breaker.settle(trial, Health::Failed, bench.now);
    assert_eq!(bench.breaker.standing(), Standing::Open);
}

proptest! {
    /// Whatever happens, it never gets stuck: after its time a service that is well is asked again.
    #[test]
    fn it_always_closes_again_when_the_service_is_well(
        steps in proptest::collection::vec((0_u8..4, 0_u64..3_000), 0..300),
    ) {
        let mut bench = Bench::new();
        for (kind, wait) in steps {
            bench.now += Duration::from_millis(wait);
            let health = [Health::Good, Health::Slow, Health::Failed, Health::Unknown][usize::from(kind)];
            bench.call(health);
        }
        // Old calls leave the window, an open breaker its time.
        bench.now += SLOT * 11;
        for _ in 0..PROBES {
            prop_assert!(bench.call(Health::Good));
        }
        prop_assert_eq!(bench.breaker.standing(), Standing::Closed);
    }
}
