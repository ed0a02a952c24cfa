//! The words of events: pure, no I/O; time comes as an argument.

mod archive;
mod batch_name;
mod event_type;
mod grain;
mod kept;
mod order_fact;
mod producer;
mod range;

pub use archive::{ArchiveDay, DayEvent, DayState, NotItsTurn, Step};
pub use batch_name::BatchName;
pub use event_type::{EventType, EventTypeError, OVERFLOW_TYPE};
pub use grain::Grain;
pub use kept::Kept;
pub use order_fact::{Counted, OrderFact, OrderFactError};
pub use producer::{ProducerId, ProducerIdError};
pub use range::{Range, RangeError};
