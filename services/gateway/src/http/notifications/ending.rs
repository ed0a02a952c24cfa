//! When a socket has to end, whatever is said on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use rand::Rng;
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;
use tradepost_notifications::wire::close::{EXPIRED, REVOKED};

use crate::domain::caller::{Caller, Verified};
use crate::domain::revocation::Basis;
use crate::http::router::Gateway;
use crate::http::upgrade::{ticket, with_credentials};
use crate::ports::{Guards, Refused};

/// How often the credentials are looked at, besides whenever something was revoked.
const LOOK: Duration = Duration::from_secs(1);
/// Those who lost the service together come back over this time.
const RETURN_MAX_MS: u64 = 10_000;

/// Fresh credentials cannot be judged now: come back with them.
const TRY_LATER: u16 = 1013;

/// What ends a socket.
pub(super) struct Ending {
    guards: Guards,
    shutdown: CancellationToken,
    held: Held,
    /// From where.
    address: IpAddr,
    expires_at: Option<OffsetDateTime>,
    caller: Arc<Caller>,
    drain_ms: u64,
    /// The process ends: when the client leaves.
    leaves_at: Option<Instant>,
}

/// What comes to a socket, whatever is said on it.
pub(super) enum Coming {
    /// The process ends: the client is to know that it leaves after so many milliseconds.
    Leave {
        /// From now.
        after_ms: u64,
    },
    /// The end, said like this.
    End(CloseFrame),
}

/// What is judged again and again.
enum Held {
    /// What the client has shown.
    Shown(HeaderMap),
    /// What a ticket stood for, which is used up.
    Stood(Box<Verified>),
}

impl Ending {
    pub(super) fn of(
        gateway: &Gateway,
        (caller, basis): (&Arc<Caller>, Basis),
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Self {
        let shown = with_credentials(headers);
        let held = match ticket(&shown) {
            Some(_) => Held::Stood(Box::new(Verified {
                caller: Caller::clone(caller),
                basis,
            })),
            None => Held::Shown(shown),
        };
        Self {
            guards: gateway.guards.clone(),
            shutdown: gateway.shutdown.clone(),
            held,
            address,
            expires_at: caller.expires_at,
            caller: Arc::clone(caller),
            drain_ms: gateway.places.limits().drain_ms,
            leaves_at: None,
        }
    }

    /// Waits for what comes: once that the client is to leave, and for the end.
    pub(super) async fn comes(&mut self) -> Coming {
        tokio::select! {
            () = self.stop() => {}
            () = self.expiry() => return Coming::End(close(EXPIRED, "the token has run out")),
            why = self.revocation() => return Coming::End(why),
        }
        if self.leaves_at.is_some() {
            return Coming::End(restart());
        }
        // Each at another moment: else they would all be at the next process at once.
        let after_ms = rand::rng().random_range(0..=self.drain_ms);
        self.leaves_at = Some(Instant::now() + Duration::from_millis(after_ms));
        Coming::Leave { after_ms }
    }

    /// Until the process ends, and then until the client's moment.
    async fn stop(&self) {
        match self.leaves_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => self.shutdown.cancelled().await,
        }
    }

    async fn expiry(&self) {
        let Some(expires_at) = self.expires_at else {
            return std::future::pending().await;
        };
        loop {
            // A time that has passed is no duration.
            let left = Duration::try_from(expires_at - self.guards.clock.now());
            let left = left.unwrap_or_default();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    /// Until what was shown is no longer good, or no longer means the same.
    async fn revocation(&self) -> CloseFrame {
        let mut changes = self.guards.authenticate.changes();
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() {
                    tokio::time::sleep(LOOK).await;
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.judged().await {
                Ok(true) => {}
                Ok(false) | Err(Refused::Invalid { .. } | Refused::Malformed { .. }) => {
                    return close(REVOKED, "the credentials were revoked");
                }
                Err(Refused::Suspended) => return close(REVOKED, "the tenant is suspended"),
                // Not to know is no reason to end what was good a second ago.
                Err(Refused::Unavailable(_)) => {}
            }
        }
    }

    /// Whether what is held still means the same.
    async fn judged(&self) -> Result<bool, Refused> {
        let authenticate = &self.guards.authenticate;
        match &self.held {
            Held::Shown(headers) => {
                let verified = authenticate.verify(headers, self.address).await?;
                Ok(verified.is_some_and(|verified| self.is_same(&verified.caller)))
            }
            Held::Stood(verified) => authenticate.judge_again(verified).await.map(|()| true),
        }
    }

    /// Holds a further token of the same caller instead; answers when it runs out.
    ///
    /// # Errors
    /// How to say that the socket ends: the token is not taken, or somebody else's.
    pub(super) async fn refresh(&mut self, token: &str) -> Result<OffsetDateTime, CloseFrame> {
        let not_good = || close(EXPIRED, "the token is not good");
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let mut bearer = bearer.map_err(|_control_characters| not_good())?;
        bearer.set_sensitive(true);
        let shown = HeaderMap::from_iter([(AUTHORIZATION, bearer)]);
        let authenticate = &self.guards.authenticate;
        let caller = match authenticate.verify(&shown, self.address).await {
            Ok(Some(verified)) => verified.caller,
            Ok(None) | Err(Refused::Invalid { .. } | Refused::Malformed { .. }) => {
                return Err(not_good());
            }
            Err(Refused::Suspended) => return Err(close(REVOKED, "the tenant is suspended")),
            Err(Refused::Unavailable(_)) => {
                return Err(close(TRY_LATER, "credentials cannot be checked"));
            }
        };
        if !self.is_same(&caller) {
            return Err(close(
                REVOKED,
                "the token is another caller's, or allows less",
            ));
        }
        let expires_at = caller.expires_at.ok_or_else(not_good)?;
        self.held = Held::Shown(shown);
        self.expires_at = Some(expires_at);
        Ok(expires_at)
    }

    fn is_same(&self, caller: &Caller) -> bool {
        caller.subject == self.caller.subject
            && caller.tenant == self.caller.tenant
            && self.caller.rights.within(caller.rights)
    }
}

/// This process, or the one behind it, goes. Who was not told when to come back does so with back-off.
pub(super) fn restart() -> CloseFrame {
    close(u16::from(CloseCode::Restart), "restart")
}

/// When somebody comes back who cannot be told before, in milliseconds.
pub(super) fn return_after_ms() -> u64 {
    rand::rng().random_range(0..=RETURN_MAX_MS)
}

pub(super) fn close(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    }
}
