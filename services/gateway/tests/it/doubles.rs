//! Those that the gate asks, as a script: callers are known by made-up tokens.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::sync::watch;
use tradepost_gateway::domain::audit::Entry;
use tradepost_gateway::domain::caller::{Caller, Plan, Proof, Subject, Verified};
use tradepost_gateway::domain::rights::Role;
use tradepost_gateway::domain::strict::Strict;
use tradepost_gateway::ports::{
    Authenticate, Decision, Directory, Guards, Key, Limits, Refused, Trail, Unavailable,
};
use tradepost_service::Clock;
use tradepost_types::{ApiKeyId, SessionId, TenantId, UserId};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
pub(crate) const TENANT: &str = "tenant_01jd0000000000000000000000";

#[derive(Default)]
struct Script {
    callers: HashMap<String, Caller>,
    /// Who calls without a token.
    anonymous: Option<Caller>,
    suspended: Vec<TenantId>,
    members: HashMap<(TenantId, UserId), Role>,
    keys: HashMap<(TenantId, ApiKeyId), Key>,
    entries: Vec<Entry>,
    costs: Vec<u32>,
    addresses: Vec<IpAddr>,
    trail_is_broken: bool,
    identity_is_broken: bool,
    address_is_over: bool,
    identity_is_over: bool,
}

#[derive(Clone)]
pub(crate) struct Doubles {
    script: Arc<Mutex<Script>>,
    pub(crate) clock: Clock,
    changed: Arc<watch::Sender<u64>>,
    owner: Arc<Caller>,
}

/// A caller with all that the role allows.
pub(crate) fn caller(role: Role) -> Caller {
    Caller {
        subject: Subject::User(UserId::new()),
        tenant: (role != Role::Operator).then(|| TENANT.parse().unwrap()),
        role,
        rights: role.rights(),
        session: Some(SessionId::new()),
        client: None,
        plan: Plan::Standard,
        proof: Proof::Secret,
        expires_at: None,
    }
}

fn verified(caller: Caller) -> Verified {
    Verified::of(caller, NOW)
}

impl Doubles {
    /// Requests without a token come from an owner, until a test says otherwise.
    pub(crate) fn new() -> Self {
        let owner = caller(Role::Owner);
        let script = Script {
            anonymous: Some(owner.clone()),
            ..Script::default()
        };
        Self {
            script: Arc::new(Mutex::new(script)),
            clock: Clock::fixed(NOW),
            changed: Arc::new(watch::Sender::new(0)),
            owner: Arc::new(owner),
        }
    }

    pub(crate) fn guards(&self) -> Guards {
        let guard = Arc::new(self.clone());
        Guards {
            limits: guard.clone(),
            authenticate: guard.clone(),
            directory: guard.clone(),
            trail: guard,
            clock: self.clock.clone(),
        }
    }

    pub(crate) fn owner(&self) -> &Caller {
        &self.owner
    }

    fn with<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.script.lock().unwrap())
    }

    /// Whoever shows `token` from now on is `caller`.
    pub(crate) fn knows(&self, token: &str, caller: Caller) {
        self.with(|script| script.callers.insert(token.to_owned(), caller));
    }

    /// Whoever shows `token` is nobody any more.
    pub(crate) fn revoke(&self, token: &str) {
        self.with(|script| script.callers.remove(token));
        self.changed.send_modify(|count| *count += 1);
    }

    /// Requests without a token are refused from now on.
    pub(crate) fn closed(&self) {
        self.with(|script| script.anonymous = None);
    }

    pub(crate) fn suspend(&self, tenant: TenantId) {
        self.with(|script| script.suspended.push(tenant));
    }

    pub(crate) fn has_member(&self, user: UserId, role: Role) {
        let tenant = TENANT.parse().unwrap();
        self.with(|script| script.members.insert((tenant, user), role));
    }

    pub(crate) fn has_key(&self, key: ApiKeyId, is: Key) {
        let tenant = TENANT.parse().unwrap();
        self.with(|script| script.keys.insert((tenant, key), is));
    }

    pub(crate) fn break_trail(&self) {
        self.with(|script| script.trail_is_broken = true);
    }

    pub(crate) fn break_identity(&self) {
        self.with(|script| script.identity_is_broken = true);
    }

    pub(crate) fn exhaust_address(&self) {
        self.with(|script| script.address_is_over = true);
    }

    pub(crate) fn exhaust_identity(&self) {
        self.with(|script| script.identity_is_over = true);
    }

    fn known(&self, token: &str) -> Result<Verified, Refused> {
        let known = self.with(|script| script.callers.get(token).cloned());
        known.map(verified).ok_or_else(|| Refused::Invalid {
            reason: "TOKEN_INVALID",
            detail: "the token is not good".to_owned(),
        })
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.with(|script| script.entries.clone())
    }

    /// From where requests came, as the limits were told.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.with(|script| script.addresses.clone())
    }

    pub(crate) fn costs(&self) -> Vec<u32> {
        self.with(|script| script.costs.clone())
    }
}

#[async_trait::async_trait]
impl Authenticate for Doubles {
    async fn verify(&self, headers: &HeaderMap, _: IpAddr) -> Result<Option<Verified>, Refused> {
        if self.with(|script| script.identity_is_broken) {
            return Err(Refused::Unavailable(Unavailable));
        }
        let mut given = headers.get_all("authorization").iter();
        let (first, second) = (given.next(), given.next());
        let Some(first) = first else {
            return Ok(self.with(|script| script.anonymous.clone()).map(verified));
        };
        let token = first.to_str().unwrap().strip_prefix("Bearer ");
        let (Some(token), None) = (token, second) else {
            return Err(Refused::Malformed {
                reason: "CREDENTIALS_MALFORMED",
                detail: "the header Authorization does not say Bearer".to_owned(),
            });
        };
        self.known(token).map(Some)
    }

    /// A ticket is known as a token is, and used up.
    async fn redeem(&self, ticket: &str) -> Result<Verified, Refused> {
        let known = self.known(ticket);
        self.with(|script| script.callers.remove(ticket));
        known
    }

    /// Whoever is suspended has lost what they had.
    async fn judge_again(&self, verified: &Verified) -> Result<(), Refused> {
        let tenant = verified.caller.tenant.unwrap();
        match self.with(|script| script.suspended.contains(&tenant)) {
            true => Err(Refused::Suspended),
            false => Ok(()),
        }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[async_trait::async_trait]
impl Directory for Doubles {
    async fn is_active(&self, tenant: TenantId) -> Result<bool, Unavailable> {
        Ok(self.with(|script| !script.suspended.contains(&tenant)))
    }

    async fn allows_origin(&self, _: TenantId, origin: &str) -> Result<bool, Unavailable> {
        Ok(origin == "https://shop.example")
    }

    async fn member(&self, tenant: TenantId, user: UserId) -> Result<Option<Role>, Unavailable> {
        Ok(self.with(|script| script.members.get(&(tenant, user)).copied()))
    }

    async fn key(&self, tenant: TenantId, key: ApiKeyId) -> Result<Option<Key>, Unavailable> {
        Ok(self.with(|script| script.keys.get(&(tenant, key)).copied()))
    }

    async fn has_second_factor(&self, _: UserId) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

fn decision(refused: bool) -> Decision {
    let mut headers = HeaderMap::new();
    let remaining = HeaderValue::from_static(if refused {
        "\"user\";r=0;t=7"
    } else {
        "\"user\";r=12;t=4"
    });
    headers.insert("ratelimit", remaining);
    Decision {
        refused: refused.then(|| Duration::from_secs(7)),
        headers,
    }
}

#[async_trait::async_trait]
impl Limits for Doubles {
    async fn address(&self, address: IpAddr) -> Decision {
        self.with(|script| script.addresses.push(address));
        decision(self.with(|script| script.address_is_over))
    }

    async fn identity(&self, _: &Caller, cost: u32) -> Decision {
        self.with(|script| script.costs.push(cost));
        decision(self.with(|script| script.identity_is_over))
    }

    async fn strict(&self, _: Strict, _: IpAddr, _: &str) -> Decision {
        decision(false)
    }

    async fn forgive(&self, _: Strict, _: IpAddr, _: &str) {}
}

#[async_trait::async_trait]
impl Trail for Doubles {
    async fn record(&self, entry: Entry) -> Result<(), Unavailable> {
        self.with(|script| {
            if script.trail_is_broken {
                return Err(Unavailable);
            }
            script.entries.push(entry);
            Ok(())
        })
    }
}
