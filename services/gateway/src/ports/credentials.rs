//! Where API keys, OAuth clients, their codes, second factors and tickets are kept. One method is one
//! transaction, the entry in the audit trail included.

mod api_keys;
mod clients;
mod codes;
mod factors;
mod tickets;

pub use api_keys::{ApiKeyStore, NewApiKey, Replacement, StoredApiKey};
pub use clients::{ClientStore, NewClient, StoredClient};
pub use codes::{CodeStore, NewCode, RedeemError, Redeemed, Redeeming};
pub use factors::{Confirmed, EnrolError, Factor, FactorStore, Guessing, Used};
pub use tickets::TicketStore;

use super::identity::StoreError;

/// Why nothing was done about a credential.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The tenant has no such thing, or it was revoked.
    #[error("there is no such credential")]
    NotFound,
    /// The tenant has as many as it may have.
    #[error("there are too many of them")]
    TooMany,
    /// The request's key was used for another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
