//! All of credentials, put together: what identity asks, and what rests on identity.

use std::sync::Arc;

use url::Url;

use super::api_keys::ApiKeys;
use super::identity::Identity;
use super::key_callers::KeyCallers;
use super::oauth::OAuth;
use super::oauth_clients::OAuthClients;
use super::sealing::Sealer;
use super::second_factors::SecondFactors;
use super::tickets::Tickets;
use crate::domain::api_key::Mode;
use crate::ports::credentials::{ApiKeyStore, ClientStore, CodeStore, FactorStore, TicketStore};
use crate::ports::identity::UserStore;

/// Where credentials are kept.
#[derive(Clone)]
pub struct CredentialPorts {
    /// API keys.
    pub api_keys: Arc<dyn ApiKeyStore>,
    /// OAuth clients.
    pub clients: Arc<dyn ClientStore>,
    /// Authorization codes.
    pub codes: Arc<dyn CodeStore>,
    /// Second factors.
    pub factors: Arc<dyn FactorStore>,
    /// Tickets for connections.
    pub tickets: Arc<dyn TicketStore>,
    /// The users they belong to.
    pub users: Arc<dyn UserStore>,
}

/// What identity asks about credentials that are not its own.
pub struct Keyring {
    /// Who shows an API key.
    pub callers: Arc<KeyCallers>,
    /// Whether a second factor is right.
    pub factors: Arc<SecondFactors>,
    ports: CredentialPorts,
    mode: Mode,
}

impl Keyring {
    /// Puts it together, for this kind of installation.
    #[must_use]
    pub fn new(ports: CredentialPorts, sealer: &Arc<Sealer>, mode: Mode) -> Self {
        let callers = KeyCallers::new(Arc::clone(&ports.api_keys), Arc::clone(sealer), mode);
        let factors = SecondFactors::new(
            Arc::clone(&ports.factors),
            Arc::clone(&ports.users),
            Arc::clone(sealer),
        );
        Self {
            callers: Arc::new(callers),
            factors: Arc::new(factors),
            ports,
            mode,
        }
    }
}

/// API keys, second factors, OAuth, tickets.
pub struct Credentials {
    /// Manages API keys.
    pub api_keys: Arc<ApiKeys>,
    /// Manages OAuth clients.
    pub clients: OAuthClients,
    /// Manages second factors.
    pub factors: Arc<SecondFactors>,
    /// The authorization server.
    pub oauth: OAuth,
    /// Gives and takes tickets for connections.
    pub tickets: Arc<Tickets>,
    /// Where it is known, as it stands in tokens.
    pub issuer: String,
    /// The page where users log in and agree, if there is one.
    pub login_url: Option<Url>,
}

impl Credentials {
    /// Puts it together over identity.
    #[must_use]
    pub fn new(
        keyring: Keyring,
        identity: &Identity,
        issuer: String,
        login_url: Option<Url>,
    ) -> Self {
        let Keyring {
            callers,
            factors,
            ports,
            mode,
        } = keyring;
        let (revocations, sealer) = (&identity.revocations, &identity.sealer);
        Self {
            api_keys: Arc::new(ApiKeys::new(
                ports.api_keys,
                callers,
                Arc::clone(revocations),
                Arc::clone(sealer),
                mode,
            )),
            clients: OAuthClients::new(
                Arc::clone(&ports.clients),
                Arc::clone(revocations),
                Arc::clone(sealer),
            ),
            factors,
            tickets: Arc::new(Tickets::new(ports.tickets, Arc::clone(sealer))),
            oauth: OAuth {
                clients: ports.clients,
                codes: ports.codes,
                sessions: identity.sessions.clone(),
                directory: Arc::clone(&identity.directory),
            },
            issuer,
            login_url,
        }
    }
}
