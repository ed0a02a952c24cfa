//! Tickets: good once, for half a minute, for a connection of whoever got them. A page cannot set
//! the headers of a WebSocket, and a token that stands in its place lives much longer.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;
use time::OffsetDateTime;

use super::sealing::{Hashed, Sealer};
use crate::domain::base62;
use crate::domain::caller::Verified;
use crate::ports::credentials::TicketStore;
use crate::ports::identity::StoreError;

/// What every ticket begins with, and no token and no key.
const PREFIX: &str = "tpt_";

/// A ticket, to be shown once.
#[derive(Debug)]
pub struct Ticket {
    /// What is presented.
    pub text: SecretString,
    /// When it runs out.
    pub expires_at: OffsetDateTime,
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum TicketFault {
    /// Who is of no tenant has nothing to hear.
    #[error("tickets are for those who are of a tenant")]
    NoTenant,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives and takes tickets.
pub struct Tickets {
    store: Arc<dyn TicketStore>,
    sealer: Arc<Sealer>,
}

impl Tickets {
    /// Over this store.
    #[must_use]
    pub fn new(store: Arc<dyn TicketStore>, sealer: Arc<Sealer>) -> Self {
        Self { store, sealer }
    }

    /// Gives a ticket that stands for these credentials.
    ///
    /// # Errors
    /// [`TicketFault`].
    pub async fn give(&self, verified: &Verified) -> Result<Ticket, TicketFault> {
        let tenant = verified.caller.tenant.ok_or(TicketFault::NoTenant)?;
        let text = format!("{PREFIX}{}", base62::encode(&rand::random()));
        let expires_at = self.store.keep(&self.hash(&text), tenant, verified).await?;
        Ok(Ticket {
            text: text.into(),
            expires_at,
        })
    }

    /// Takes a ticket; the credentials behind it are to be judged like any others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take(&self, presented: &str) -> Result<Option<Verified>, StoreError> {
        if !is_ticket(presented) {
            return Ok(None);
        }
        self.store.take(&self.hash(presented)).await
    }

    fn hash(&self, text: &str) -> [u8; 32] {
        self.sealer.hash(Hashed::Ticket, text.as_bytes())
    }
}

/// What looks like none is not asked about.
fn is_ticket(text: &str) -> bool {
    let secret = text.strip_prefix(PREFIX);
    secret.is_some_and(|secret| secret.len() == base62::SECRET_LEN && base62::is_base62(secret))
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_ticket_is_told_without_asking() {
        let secret = base62::encode(&[7; 32]);
        assert!(is_ticket(&format!("tpt_{secret}")));
        for other in [
            String::new(),
            secret.clone(),
            format!("tp_{secret}"),
            format!("tpt_{secret}0"),
            format!("tpt_-{}", &secret[1..]),
        ] {
            assert!(!is_ticket(&other), "{other}");
        }
    }
}
