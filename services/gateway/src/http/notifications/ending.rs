//! When a socket has to end, whatever is said on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use rand::Rng;
use time::OffsetDateTime;
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
/// Those who are sent away together come back over this time.
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
        }
    }

    /// Waits for the end; how to say it.
    pub(super) async fn comes(&self) -> CloseFrame {
        tokio::select! {
            () = self.shutdown.cancelled() => restart(),
            () = self.expiry() => close(EXPIRED, "the token has run out"),
            why = self.revocation() => why,
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

/// The process stops: not all come back at once.
pub(super) fn restart() -> CloseFrame {
    let after = return_after_ms();
    CloseFrame {
        code: CloseCode::Restart,
        reason: format!("restart; come back after {after} ms").into(),
    }
}

/// When to come back, in milliseconds.
pub(super) fn return_after_ms() -> u64 {
    rand::rng().random_range(0..=RETURN_MAX_MS)
}

pub(super) fn close(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    }
}
