//! Resolves names to addresses that may be connected to.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::webhook::{UrlRules, is_public};
use crate::ports::webhooks::Fault;

/// Asks what a name stands for.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// All its addresses.
    ///
    /// # Errors
    /// That of the question.
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The resolver of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Lets through names all of whose addresses may be connected to. A name of which one may not is
/// refused whole: its owner has no business with it.
#[derive(Clone)]
pub struct Guard {
    lookup: Arc<dyn Lookup>,
    rules: UrlRules,
}

impl Guard {
    /// A guard that asks `lookup`.
    #[must_use]
    pub fn new(lookup: Arc<dyn Lookup>, rules: UrlRules) -> Self {
        Self { lookup, rules }
    }
}

/// Why a name is not connected to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// It stands for nothing.
    #[error("the name stands for nothing")]
    Unknown(#[source] Option<std::io::Error>),
    /// One of its addresses is not on the public internet.
    #[error("the name stands for an address that is not on the public internet")]
    Forbidden,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let asked = guard.lookup.addresses(name.as_str()).await;
            let found = asked.map_err(|error| Refused::Unknown(Some(error)))?;
            if found.is_empty() {
                return Err(Refused::Unknown(None).into());
            }
            let good = |address: &IpAddr| guard.rules.allow_private || is_public(*address);
            if !found.iter().all(good) {
                return Err(Refused::Forbidden.into());
            }
            // The port is that of the URL.
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            let addresses: Addrs = Box::new(addresses);
            Ok(addresses)
        })
    }
}

/// What the guard has said, if it is behind an error.
pub(super) fn refused(error: &reqwest::Error) -> Option<Fault> {
    let refused = cause::<Refused>(error)?;
    Some(match refused {
        Refused::Unknown(_) => Fault::Resolve,
        Refused::Forbidden => Fault::ForbiddenAddress,
    })
}

/// The error of this type behind an error.
pub(in crate::adapters) fn cause<'a, E: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        // An I/O error hands out the source of what it wraps, not that itself.
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .map(|inner| inner as &(dyn Error + 'static));
        next = wrapped.or_else(|| error.source());
    }
    None
}
