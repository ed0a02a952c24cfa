//! When a socket has to end, whatever is said on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use rand::Rng;
use time::OffsetDateTime;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

use crate::domain::caller::Caller;
use crate::http::router::Gateway;
use crate::http::upgrade::with_credentials;
use crate::ports::{Guards, Refused};

/// How often the credentials are looked at, besides whenever something was revoked.
const LOOK: Duration = Duration::from_secs(1);
/// Those who are sent away together come back over this time.
const RETURN_MAX_MS: u64 = 10_000;

/// The token ran out: log in or refresh, then come back.
const EXPIRED: u16 = 4401;
/// The credentials were revoked.
const REVOKED: u16 = 4403;

/// What ends a socket.
pub(super) struct Ending {
    guards: Guards,
    shutdown: CancellationToken,
    /// What the client has shown.
    shown: HeaderMap,
    /// From where.
    address: IpAddr,
    expires_at: Option<OffsetDateTime>,
    caller: Arc<Caller>,
}

impl Ending {
    pub(super) fn of(
        gateway: &Gateway,
        caller: &Arc<Caller>,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Self {
        Self {
            guards: gateway.guards.clone(),
            shutdown: gateway.shutdown.clone(),
            shown: with_credentials(headers),
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
            let authenticate = &self.guards.authenticate;
            match authenticate.caller(&self.shown, self.address).await {
                Ok(Some(caller)) if self.is_same(&caller) => {}
                Ok(_) | Err(Refused::Invalid { .. } | Refused::Malformed { .. }) => {
                    return close(REVOKED, "the credentials were revoked");
                }
                Err(Refused::Suspended) => return close(REVOKED, "the tenant is suspended"),
                // Not to know is no reason to end what was good a second ago.
                Err(Refused::Unavailable(_)) => {}
            }
        }
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
