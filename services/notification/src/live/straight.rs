//! Connections that come without the gateway in between. The node never judges credentials itself:
//! it asks (`gate`), ends what they no longer carry (`guests`, `feed`), and bounds what an address
//! may do before and after (`addresses`).

mod addresses;
mod feed;
mod gate;
mod guests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use http::HeaderMap;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tradepost_notifications::wire::{Refreshed, Secret, Told, close};
use tradepost_service::proxies::{Peer, Proxies};
use tradepost_service::{Clock, Tasks};
use tradepost_websocket::Class;

use super::hub::Conn;
use super::{Line, Way};
use crate::config::AccessConfig;
use crate::metrics::AccessMetrics;
use crate::ports::{Credentials, Judge, Reader, Refused, Shown};
use addresses::Addresses;
pub(super) use addresses::{Crowded, Visit, Waiting};
use gate::Gate;
use guests::{Admission, Guests, Stay, TenantPlace};

/// No word on what is revoked was heard yet.
const NEVER: i64 = i64::MIN;

/// Who judges those who come straight, and with which instruments that is counted.
pub struct Access {
    /// What an operator has chosen.
    pub config: AccessConfig,
    /// Who judges.
    pub judge: Judge,
    /// The instruments.
    pub metrics: AccessMetrics,
}

/// All straight connections of this node.
pub(super) struct Straight {
    judge: Judge,
    gate: Arc<Gate>,
    guests: Arc<Guests>,
    addresses: Arc<Addresses>,
    proxies: Proxies,
    stale_ms: i64,
    /// Up to when everything that was revoked is known, in milliseconds since 1970.
    current_ms: AtomicI64,
    clock: Clock,
    metrics: AccessMetrics,
}

/// A client that has come, from the first look at its request on.
pub(super) struct Arrival {
    address: IpAddr,
    origin: Option<Box<str>>,
    visit: Visit,
    /// As long as it has shown nothing.
    waiting: Option<Waiting>,
    admitted: Option<(Arc<Admission>, TenantPlace)>,
}

/// Why a client that has come is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unwelcome {
    /// Its credentials are not taken.
    Refused(Refused),
    /// Its tenant has as many connections as it may have.
    TenantFull,
}

/// A guest.
pub(super) struct Guest {
    stay: Stay,
    arrival: Box<Arrival>,
    is_refreshing: AtomicBool,
}

impl Straight {
    /// Serves until `ended`, which comes after the last client was sent away.
    pub(super) fn start(access: Access, tasks: &Tasks, ended: &CancellationToken) -> Arc<Self> {
        let Access {
            config,
            judge,
            metrics,
        } = access;
        let kept = Duration::from_secs(config.kept_seconds.into());
        let guests = Arc::new(Guests::new(kept, metrics.clone()));
        let asked = (Arc::clone(&judge), Arc::clone(&guests));
        let straight = Arc::new(Self {
            judge,
            gate: Arc::new(Gate::new(asked, &config, tasks.clone(), metrics.clone())),
            guests,
            addresses: Arc::new(Addresses::new(&config)),
            proxies: Proxies::from(&config.proxies),
            stale_ms: config.stale_ms.into(),
            current_ms: AtomicI64::new(NEVER),
            clock: Clock::system(),
            metrics,
        });
        let follow = feed::follow(Arc::clone(&straight), ended.clone());
        tasks.spawn("access-feed", follow);
        let look = feed::look(Arc::clone(&straight), ended.clone());
        tasks.spawn("access-look", look);
        straight
    }

    /// Whose request it is: the peer's, or of whom a trusted proxy says it speaks for.
    pub(super) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let peer = Peer {
            address: peer.ip().to_canonical(),
            is_encrypted: false,
        };
        self.proxies.client(peer, headers).address
    }

    /// A client comes.
    pub(super) fn visit(
        &self,
        address: IpAddr,
        origin: Option<Box<str>>,
    ) -> Result<Box<Arrival>, Crowded> {
        let address = address.to_canonical();
        let visit = self.addresses.visit(address, Instant::now())?;
        Ok(Box::new(Arrival {
            address,
            origin,
            visit,
            waiting: None,
            admitted: None,
        }))
    }

    /// Whether these credentials let it in.
    pub(super) async fn admit(
        &self,
        arrival: &mut Arrival,
        credentials: Credentials,
    ) -> Result<(), Unwelcome> {
        let admission = self.judge(arrival, credentials).await;
        let admission = admission.map_err(Unwelcome::Refused)?;
        let place = self.guests.place(&admission);
        arrival.admitted = Some((admission, place.ok_or(Unwelcome::TenantFull)?));
        arrival.waiting = None;
        Ok(())
    }

    async fn judge(
        &self,
        arrival: &Arrival,
        credentials: Credentials,
    ) -> Result<Arc<Admission>, Refused> {
        // Who is let in now could not be sent away again.
        if self.is_stale() {
            self.metrics.refused("stale");
            return Err(Refused::Unavailable);
        }
        let shown = Shown {
            credentials,
            address: arrival.address,
            origin: arrival.origin.clone(),
        };
        self.gate.admit(shown).await
    }

    /// The connection is open: it lives as long as its credentials.
    pub(super) fn enter(&self, conn: &Arc<Conn<Way>>, arrival: Box<Arrival>) -> Option<Arc<Guest>> {
        let (admission, _) = arrival.admitted.as_ref()?;
        let stay = self.guests.enter(conn, Arc::clone(admission));
        Some(Arc::new(Guest {
            stay,
            arrival,
            is_refreshing: AtomicBool::new(false),
        }))
    }

    /// A guest shows a further token. One at a time: each is a question.
    pub(super) async fn refresh(&self, conn: &Arc<Conn<Way>>, guest: &Guest, token: &Secret) {
        if guest.is_refreshing.swap(true, Ordering::Relaxed) {
            return conn.close(close::TOO_MANY, "one refresh at a time");
        }
        let credentials = Credentials::Token(token.expose().into());
        match self.judge(&guest.arrival, credentials).await {
            Ok(admission) if admission.reader == *conn.reader() => {
                let expires_at = admission.expires_at;
                guest.stay.renew(admission);
                if let Some(expires_at) = expires_at {
                    let told = Told::Refreshed(Refreshed { expires_at }).text();
                    let _lost = conn.line().push(&Way::frame(&told), Class::Must);
                }
            }
            Ok(_another) => conn.close(close::REVOKED, "the token is another person's"),
            // It may say it again, as long as the one it has is good.
            Err(Refused::Unavailable) => {}
            Err(refused) => {
                let (code, reason) = Unwelcome::Refused(refused).closing();
                conn.close(code, reason);
            }
        }
        guest.is_refreshing.store(false, Ordering::Relaxed);
    }

    fn heard(&self, current_at: Option<OffsetDateTime>) {
        if let Some(at) = current_at {
            self.current_ms.fetch_max(ms(at), Ordering::Relaxed);
        }
    }

    fn feed_age(&self) -> Duration {
        let current_ms = self.current_ms.load(Ordering::Relaxed);
        let age_ms = ms(self.clock.now()).saturating_sub(current_ms).max(0);
        Duration::from_millis(age_ms.unsigned_abs())
    }

    fn is_stale(&self) -> bool {
        self.feed_age() > Duration::from_millis(self.stale_ms.unsigned_abs())
    }
}

impl Arrival {
    /// It has shown nothing, and will in its first message.
    pub(super) fn wait(&mut self) -> Result<(), Crowded> {
        self.waiting = Some(self.visit.wait()?);
        Ok(())
    }

    /// Who it is, once that is known.
    pub(super) fn reader(&self) -> Option<&Reader> {
        let (admission, _) = self.admitted.as_ref()?;
        Some(&admission.reader)
    }
}

impl Unwelcome {
    /// How a connection that is open already is closed for it.
    pub(super) const fn closing(&self) -> (u16, &'static str) {
        match self {
            Self::Refused(Refused::Invalid { .. }) => {
                (close::EXPIRED, "the credentials are not taken")
            }
            Self::Refused(Refused::Forbidden { .. }) => {
                (close::REVOKED, "the credentials do not allow it")
            }
            Self::Refused(Refused::TooOften { .. }) => {
                (close::TOO_MANY, "credentials were refused too often")
            }
            Self::Refused(Refused::Unavailable) => {
                (close::FAULT, "credentials cannot be checked now")
            }
            Self::TenantFull => (close::TOO_MANY, "the tenant has too many connections"),
        }
    }
}

fn ms(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
