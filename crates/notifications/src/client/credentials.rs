//! What a client shows, and when it shows the next.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until};

use crate::wire::{Said, Secret};

/// A token is refreshed so long before it runs out, or when a quarter of its time is left.
const BEFORE_MAX: Duration = Duration::from_secs(60);
/// An answer that has not come by then is asked for again.
const AGAIN: Duration = Duration::from_secs(10);
/// The longest a timer is set for.
const TIMER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What a client shows.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// The value of `Authorization`, for as long as it is good.
    Header(Secret),
    /// An access token. The next is asked for before it runs out.
    Token {
        /// The token.
        token: Secret,
        /// When it runs out.
        expires_at: OffsetDateTime,
    },
    /// A ticket, good once.
    Ticket(Secret),
}

impl Credentials {
    /// The value of `Authorization`.
    pub(super) fn header(&self) -> String {
        match self {
            Self::Header(value) => value.expose().to_owned(),
            Self::Token { token, .. } => format!("Bearer {}", token.expose()),
            Self::Ticket(ticket) => format!("Ticket {}", ticket.expose()),
        }
    }

    /// What is said with them on a connection that is open.
    pub(super) fn refresh(self) -> Option<Said> {
        match self {
            Self::Token { token, .. } => Some(Said::Refresh { token }),
            Self::Header(_) | Self::Ticket(_) => None,
        }
    }

    /// For how long they are good, if that is known.
    pub(super) fn left(&self) -> Option<Duration> {
        match self {
            Self::Token { expires_at, .. } => Some(left(*expires_at)),
            Self::Header(_) | Self::Ticket(_) => None,
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client knows no service, and so no clock of one"
)]
pub(super) fn left(expires_at: OffsetDateTime) -> Duration {
    // What has run out is no duration.
    Duration::try_from(expires_at - OffsetDateTime::now_utc()).unwrap_or_default()
}

/// When the next token is to be shown.
#[derive(Debug)]
pub(super) struct Refreshing(Option<Instant>);

impl Refreshing {
    /// Before so much time is over; never, if that is not known.
    pub(super) fn before(left: Option<Duration>) -> Self {
        let wait = |left: Duration| left.saturating_sub(BEFORE_MAX.min(left / 4));
        Self(left.map(|left| Instant::now() + wait(left).min(TIMER_MAX)))
    }

    /// It is said, and said again if nobody answers.
    pub(super) fn again(&mut self) {
        self.0 = Some(Instant::now() + AGAIN);
    }

    /// Comes when it is time.
    pub(super) async fn is_due(&self) {
        match self.0 {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_refreshed_a_minute_or_a_quarter_before_it_runs_out() {
        let now = Instant::now();
        for (left, wait) in [(3_600, 3_540), (100, 75), (0, 0)] {
            let at = Refreshing::before(Some(Duration::from_secs(left)))
                .0
                .unwrap();
            assert!(at >= now + Duration::from_secs(wait), "{left}");
            assert!(at <= Instant::now() + Duration::from_secs(wait), "{left}");
        }
        assert!(Refreshing::before(None).0.is_none());
    }

    #[test]
    fn only_a_token_is_shown_again() {
        let token = Credentials::Token {
            token: "t".into(),
            expires_at: OffsetDateTime::UNIX_EPOCH,
        };
        assert_eq!(token.header(), "Bearer t");
        assert_eq!(token.left(), Some(Duration::ZERO));
        assert_eq!(token.refresh(), Some(Said::Refresh { token: "t".into() }));
        let ticket = Credentials::Ticket("k".into());
        assert_eq!(
            (ticket.header().as_str(), ticket.left()),
            ("Ticket k", None)
        );
        assert!(ticket.refresh().is_none());
    }
}
