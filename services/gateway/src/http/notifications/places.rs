//! How many sockets are open, and whose.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;

use super::{RETRY_AFTER, not_now};
use crate::config::SocketsConfig;
use crate::domain::caller::{Caller, Subject};
use crate::http::problem::Problem;
use tradepost_service::proxies::Client;

/// Counts sockets. Cheap to clone; the clones count together.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    limits: SocketsConfig,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    all: usize,
    callers: HashMap<Subject, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// One socket's place; it is given back when dropped.
pub(super) struct Place {
    places: Places,
    subject: Subject,
    address: Option<IpAddr>,
}

impl Places {
    /// With these limits.
    #[must_use]
    pub fn new(limits: SocketsConfig) -> Self {
        Self(Arc::new(Inner {
            limits,
            open: Mutex::default(),
        }))
    }

    pub(super) fn limits(&self) -> &SocketsConfig {
        &self.0.limits
    }

    pub(super) fn take(&self, caller: &Caller, client: Option<Client>) -> Result<Place, Problem> {
        let address = client.map(|client| client.address);
        let limits = &self.0.limits;
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |count: Option<&usize>| count.copied().unwrap_or_default();
        let of_address = address.map_or(0, |address| of(open.addresses.get(&address)));
        if open.all >= limits.open_max {
            return Err(not_now("OVERLOADED", "too many WebSockets are open"));
        }
        if of(open.callers.get(&caller.subject)) >= limits.caller_max
            || of_address >= limits.address_max
        {
            let detail = "you have too many WebSockets open: close one first";
            return Err(
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_SOCKETS", detail)
                    .retry_after(RETRY_AFTER),
            );
        }
        open.all += 1;
        *open.callers.entry(caller.subject).or_default() += 1;
        if let Some(address) = address {
            *open.addresses.entry(address).or_default() += 1;
        }
        Ok(Place {
            places: self.clone(),
            subject: caller.subject,
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = &self.places.0.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        give_back(&mut open.callers, &self.subject);
        if let Some(address) = self.address {
            give_back(&mut open.addresses, &address);
        }
    }
}

/// Who has none left is forgotten.
fn give_back<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
