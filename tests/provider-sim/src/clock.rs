//! The provider's own clock: it stands for a foreign system, so it shares none with Tradepost.

use time::OffsetDateTime;

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator plays a foreign system with a clock of its own"
)]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
