//! The ways on which a durable notification goes out besides the connections: what all of them share.
//!
//! A channel makes, of what was committed to the history, something to send; whoever takes one
//! on lease sends it and notes what came of it. What that is, each channel says for itself.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tradepost_postgres::DbError;

/// A way out, and what goes on it.
pub trait Channel: Send + Sync + 'static {
    /// As logs name it.
    const NAME: &'static str;
    /// Where a process may be made to die between sending and noting.
    const SENT: &'static str;
    /// What is due, on lease to whoever took it.
    type Leased: Send + Sync + 'static;
    /// What came of an attempt, to be noted.
    type Noted: Copy + Send + Sync + 'static;
    /// What noting it did besides.
    type Effect: Send + 'static;
}

/// What came of a look at the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// Somebody else is at it.
    Busy,
    /// All of it was seen, and so many deliveries were made.
    UpToDate(u64),
    /// So many were made, and there is more to see.
    More(u64),
}

/// What noting it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noting<E> {
    /// It is noted.
    Done(E),
    /// The lease had run out, and somebody else has taken it, or it is gone: nothing was noted.
    TooLate,
}

/// What is to be sent, of all tenants, by the system role.
#[async_trait]
pub trait ChannelQueue<C: Channel>: Send + Sync {
    /// Makes what is to be sent of what was committed since the last time, of about `limit` streams'
    /// entries, in one transaction with the note of up to where that was: each notification gets
    /// one delivery for each who wants it, whatever crashes and whoever does the same.
    ///
    /// # Errors
    /// Any [`DbError`]; then nothing was done.
    async fn follow(&self, limit: u32) -> Result<Followed, DbError>;

    /// Takes up to `limit` due deliveries on lease for that long, at most `each_max` of one
    /// receiver, over all who do so. What counts as one receiver, the channel says.
    ///
    /// # Errors
    /// Any [`DbError`].
    async fn lease(
        &self,
        limit: usize,
        each_max: u32,
        lease: Duration,
    ) -> Result<Vec<C::Leased>, DbError>;

    /// Notes what came of an attempt, if the lease is still the last one.
    ///
    /// # Errors
    /// Any [`DbError`].
    async fn note(&self, leased: &C::Leased, noted: C::Noted)
    -> Result<Noting<C::Effect>, DbError>;

    /// Forgets deliveries that were made before so many days, up to `limit`, and what they sent;
    /// says how many.
    ///
    /// # Errors
    /// Any [`DbError`].
    async fn prune(&self, kept_days: u32, limit: i64) -> Result<u64, DbError>;
}

/// As its users hold it.
pub type Queue<C> = Arc<dyn ChannelQueue<C>>;

/// Takes what is due to where it goes.
#[async_trait]
pub trait ChannelCourier<C: Channel>: Send + Sync {
    /// Makes one attempt, in bounded time, and judges what came of it.
    async fn send(&self, leased: &C::Leased) -> C::Noted;

    /// Hears what noting it did.
    fn noted(&self, leased: &C::Leased, noting: Noting<C::Effect>);
}

/// As its users hold it.
pub type Courier<C> = Arc<dyn ChannelCourier<C>>;
