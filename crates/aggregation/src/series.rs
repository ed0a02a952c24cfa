//! One event type of one tenant.

mod minutes;
mod seconds;

pub(crate) use minutes::Room;

use minutes::Minutes;
use seconds::Seconds;
use tradepost_types::TenantId;

use crate::event::Moment;
use crate::name::Name;
use crate::tally::Tally;

/// The most memory a series takes, sketches apart: itself (a slab of them may be half empty while
/// it grows), its seconds, and a day of minutes.
pub(crate) const BYTES_MAX: usize =
    3 * size_of::<Series>() + seconds::HEAP_BYTES + minutes::HEAP_BYTES;

/// What is kept of an event type of a tenant.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) tenant: TenantId,
    pub(crate) event_type: Name,
    pub(crate) seconds: Seconds,
    pub(crate) minutes: Minutes,
}

impl Series {
    pub(crate) fn new(tenant: TenantId, event_type: Name) -> Self {
        Self {
            tenant,
            event_type,
            seconds: Seconds::default(),
            minutes: Minutes::new(),
        }
    }

    /// Counts finite values of one second. False where its minute is older than a day by what is
    /// there already.
    pub(crate) fn add(&mut self, moment: Moment, values: &[f64], room: &mut Room) -> bool {
        let mut tally = Tally::EMPTY;
        values.iter().for_each(|&value| tally.add(value));
        let counted = self.minutes.add(moment.minute, &tally, values, room);
        if counted && !moment.late {
            self.seconds.merge(moment.second, &tally);
        }
        counted
    }
}
