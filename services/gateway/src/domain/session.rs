//! A login on one device, and the refresh tokens that keep it alive.

use time::{Duration, OffsetDateTime};
use tradepost_types::{SessionId, TenantId, UserId};

use super::rights::{Rights, Role};

/// The client that is not an OAuth client: the platform's own login.
pub const FIRST_PARTY: &str = "tradepost";

/// How long what lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// An access token.
    pub access: Duration,
    /// A refresh token that nobody uses.
    pub refresh: Duration,
    /// A session, however often it is refreshed.
    pub session: Duration,
    /// How long a used refresh token still answers with its successor.
    pub grace: Duration,
    /// How often it does.
    pub replays_max: i32,
}

/// A session as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// In which tenant; none for a platform operator.
    pub tenant: Option<TenantId>,
    /// Through which client it was opened.
    pub client: String,
    /// What it was opened on, in the client's words.
    pub device: String,
    /// From which address.
    pub address: String,
    /// When.
    pub created_at: OffsetDateTime,
    /// When it was last refreshed.
    pub last_used_at: OffsetDateTime,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// What an access token says of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The session.
    pub session: SessionId,
    /// The user.
    pub user: UserId,
    /// The tenant; none for a platform operator.
    pub tenant: Option<TenantId>,
    /// What the user is there.
    pub role: Role,
    /// What the session is narrowed to; none: all that the role has.
    pub scope: Option<Rights>,
    /// The client that the session belongs to.
    pub client: String,
    /// When the user logged in.
    pub created_at: OffsetDateTime,
    /// When a second factor was last shown.
    pub proof_at: Option<OffsetDateTime>,
    /// The time now, by the database's clock: what is issued bears it.
    pub now: OffsetDateTime,
}

impl Standing {
    /// What the token may do.
    #[must_use]
    pub fn rights(&self) -> Rights {
        let role = self.role.rights();
        self.scope.map_or(role, |scope| role.and(scope))
    }
}

/// A used or unused refresh token, under the lock of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    /// When it runs out by itself.
    pub expires_at: OffsetDateTime,
    /// When it was used.
    pub used_at: Option<OffsetDateTime>,
    /// How often it was answered with its successor again.
    pub replays: i32,
    /// Whether its successor was used too.
    pub is_successor_used: bool,
}

/// What is done with a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is used now, and a successor takes its place.
    Claim,
    /// The answer was lost or raced: the same successor again.
    Replay,
    /// It raced too often; whoever has the successor goes on with it.
    Superseded,
    /// It was used, and not by accident: two hold what one should. The session ends.
    Reused,
    /// It ran out.
    Expired,
}

impl Presented {
    /// What is done with it at `now`.
    #[must_use]
    pub fn judge(&self, now: OffsetDateTime, lifetimes: &Lifetimes) -> Verdict {
        match self.used_at {
            None if now >= self.expires_at => Verdict::Expired,
            None => Verdict::Claim,
            Some(used_at) if self.is_successor_used || now >= used_at + lifetimes.grace => {
                Verdict::Reused
            }
            Some(_) if self.replays >= lifetimes.replays_max => Verdict::Superseded,
            Some(_) => Verdict::Replay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes {
        access: Duration::minutes(10),
        refresh: Duration::days(14),
        session: Duration::days(90),
        grace: Duration::seconds(10),
        replays_max: 5,
    };
    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn used(ago: Duration) -> Presented {
        Presented {
            expires_at: NOW + Duration::days(1),
            used_at: Some(NOW - ago),
            replays: 0,
            is_successor_used: false,
        }
    }

    #[test]
    fn a_fresh_token_is_claimed_until_it_expires() {
        let fresh = |left| Presented {
            expires_at: NOW + left,
            used_at: None,
            ..used(Duration::ZERO)
        };

        assert_eq!(
            fresh(Duration::SECOND).judge(NOW, &LIFETIMES),
            Verdict::Claim
        );
        assert_eq!(
            fresh(Duration::ZERO).judge(NOW, &LIFETIMES),
            Verdict::Expired
        );
    }

    #[test]
    fn a_used_token_is_replayed_within_the_grace_and_no_longer() {
        let within = used(Duration::milliseconds(9_999));

        assert_eq!(within.judge(NOW, &LIFETIMES), Verdict::Replay);
        assert_eq!(
            used(Duration::seconds(10)).judge(NOW, &LIFETIMES),
            Verdict::Reused
        );
    }

    #[test]
    fn a_token_whose_successor_was_used_is_stolen_even_within_the_grace() {
        let stolen = Presented {
            is_successor_used: true,
            ..used(Duration::SECOND)
        };

        assert_eq!(stolen.judge(NOW, &LIFETIMES), Verdict::Reused);
    }

    #[test]
    fn racing_too_often_ends_nothing() {
        let often = Presented {
            replays: 5,
            ..used(Duration::SECOND)
        };

        assert_eq!(often.judge(NOW, &LIFETIMES), Verdict::Superseded);
    }
}
