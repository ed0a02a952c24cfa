//! The generic cell rate algorithm: how much of a quota is used, in one number.
//!
//! That number is the *backlog*: the time until all that was used has been given back (in the
//! literature, the theoretical arrival time less the time now). A request adds an interval to it, a
//! quiet interval takes one away, and what would lift it over the capacity is refused. Times are
//! whole microseconds: a `u64` of them is exact here and in a double of Redis alike.
//!
//! The burst is the limit, and refilling is continuous. So a caller that was quiet may use its
//! limit at once, and in its first full period nearly twice of it.

#[cfg(test)]
mod tests;

/// Over which time a limit is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// 1 s.
    Second,
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s.
    Day,
}

impl Period {
    /// Its length.
    #[must_use]
    pub const fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

const MICROS_PER_SECOND: u64 = 1_000_000;

/// How much may be used, and how fast it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    limit: u32,
    period: Period,
    interval_us: u64,
    capacity_us: u64,
}

impl Quota {
    /// `limit` requests a period, as many of them at once. None at all cannot be asked for: that
    /// is a matter of permissions. Where the interval is no whole number of microseconds it is
    /// rounded up, so that the limit is kept.
    #[must_use]
    pub const fn new(limit: u32, period: Period) -> Self {
        let period_us = period.seconds() as u64 * MICROS_PER_SECOND;
        let limit = if limit == 0 { 1 } else { limit };
        let interval_us = period_us.div_ceil(limit as u64);
        Self {
            limit,
            period,
            interval_us,
            capacity_us: interval_us * limit as u64,
        }
    }

    /// So many times as much.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self::new(self.limit.saturating_mul(factor), self.period)
    }

    /// What one of so many gets that know nothing of each other. The capacity stays, every request
    /// takes up more of it: so a backlog means the same for the whole and for a share. Each gets
    /// one request at least, so that many may have more than the whole between them.
    #[must_use]
    pub fn shared_by(self, instances: u32) -> Self {
        let interval_us = self.interval_us.saturating_mul(u64::from(instances.max(1)));
        Self {
            interval_us,
            capacity_us: self.capacity_us.max(interval_us),
            ..self
        }
    }

    /// How many requests may come at once.
    #[must_use]
    pub const fn limit(self) -> u32 {
        self.limit
    }

    /// Over which time.
    #[must_use]
    pub const fn period(self) -> Period {
        self.period
    }

    /// The backlog that must not be passed.
    #[must_use]
    pub const fn capacity_us(self) -> u64 {
        self.capacity_us
    }

    /// By how much `cost` requests lengthen the backlog. What costs more than the capacity takes
    /// all of it: it would never be admitted otherwise.
    #[must_use]
    pub fn increment_us(self, cost: u32) -> u64 {
        let increment_us = self.interval_us.saturating_mul(u64::from(cost));
        increment_us.min(self.capacity_us)
    }

    /// The backlog after `cost` requests more, if they are admitted.
    ///
    /// # Errors
    /// How long to wait until they would be.
    pub fn charge(self, backlog_us: u64, cost: u32) -> Result<u64, Wait> {
        let charged = backlog_us.saturating_add(self.increment_us(cost));
        match charged.checked_sub(self.capacity_us) {
            None | Some(0) => Ok(charged),
            Some(wait_us) => Err(Wait { wait_us }),
        }
    }

    /// How many requests would be admitted now.
    #[must_use]
    pub fn remaining(self, backlog_us: u64) -> u32 {
        let free = self.capacity_us.saturating_sub(backlog_us) / self.interval_us;
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// How long until there is more: until all is given back, or for a caller that has nothing
    /// left, until the next request would be admitted.
    #[must_use]
    pub fn reset_us(self, backlog_us: u64) -> u64 {
        match self.charge(backlog_us, 1) {
            Ok(_) => backlog_us,
            Err(wait) => wait.wait_us,
        }
    }
}

/// A refusal, and how long until the same request would be admitted, if nothing comes between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait {
    /// The time in microseconds, never 0.
    pub wait_us: u64,
}
