//! What a token is good for (RFC 7662), and that it shall be good no longer (RFC 7009).

use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;

use super::{OAuth, OAuthFault, author};
use crate::application::claims::AccessClaims;
use crate::domain::oauth::{Client, ClientKind, OAuthError};
use crate::ports::identity::Author;

/// What is told about a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Introspection {
    /// It is good now.
    Active(AccessClaims),
    /// It is not, or none of the asking client's business: which of the two is not told.
    Inactive,
}

impl OAuth {
    /// What an access token of the client's own tenant is good for. Refresh tokens count as
    /// inactive: they are good for nothing but this server.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`] for a client without a secret.
    pub async fn introspect(
        &self,
        client: &Client,
        token: &SecretString,
        now: OffsetDateTime,
    ) -> Result<Introspection, OAuthFault> {
        if client.kind == ClientKind::Public {
            return Err(OAuthError::InvalidClient.into());
        }
        let Ok(claims) = self.sessions.tokens.verify(token.expose_secret(), now) else {
            return Ok(Introspection::Inactive);
        };
        let basis = &claims.basis;
        let is_good = basis.tenant == Some(client.tenant)
            && self.sessions.revocations.find(basis).is_none()
            && self.is_active(client.tenant).await?;
        Ok(match is_good {
            true => Introspection::Active(AccessClaims::clone(&claims)),
            false => Introspection::Inactive,
        })
    }

    /// Ends a token of the client: an access token itself, a refresh token with its session. What
    /// is no token of this client is left alone, and nobody is told.
    ///
    /// # Errors
    /// [`OAuthError::TemporarilyUnavailable`], [`OAuthError::ServerError`].
    pub async fn revoke(
        &self,
        client: &Client,
        token: &SecretString,
        stranger: &Author,
        now: OffsetDateTime,
    ) -> Result<(), OAuthFault> {
        let author = author(client, stranger);
        if let Ok(claims) = self.sessions.tokens.verify(token.expose_secret(), now) {
            let basis = &claims.basis;
            if let (Some(issued_to), Some(id)) = (basis.client, basis.token)
                && issued_to == client.id
            {
                let revoked = self.clients.revoke_token(client, id, &author);
                self.sessions.revocations.add([revoked.await?]);
            }
            return Ok(());
        }
        let presented = crate::application::sessions::hash(token);
        let name = client.id.to_string();
        let revoked = self
            .sessions
            .store
            .revoke_by_token(presented, &name, &author);
        self.sessions.revocations.add(revoked.await?);
        Ok(())
    }
}
