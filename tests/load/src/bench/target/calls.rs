//! Who the load is, to the service.

use std::fmt;
use std::path::Path;

use tonic::metadata::{Ascii, MetadataValue};
use tradepost_service::auth::{Grant, Identity};

use super::TargetError;

/// What the load does, for every tenant there is: it stands for all producers.
const RIGHTS: [&str; 7] = [
    "events:write",
    "events:write_any",
    "metrics:read",
    "metrics:read_any",
    "analytics:read",
    "analytics:read_any",
    "tenants:write",
];

/// Calls of somebody whom the service believes all that.
#[derive(Clone)]
pub struct Calls {
    identity: Identity,
    grant: Grant,
}

impl Calls {
    /// Signed by an identity that the service's trust file has.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        let grant = Grant {
            audience: "metrics",
            subject: "bench".to_owned(),
            tenant: None,
            rights: RIGHTS.to_vec(),
            customer: false,
        };
        Self { identity, grant }
    }

    /// Signed with the private key (PKCS#8, PEM) of a file.
    ///
    /// # Errors
    /// [`TargetError::Token`]: there is no such key.
    pub fn load(key: &Path, issuer: &str) -> Result<Self, TargetError> {
        let identity = Identity::load(key, issuer);
        let identity = identity.map_err(|error| TargetError::Token(error.to_string()))?;
        Ok(Self::new(identity))
    }

    /// The header of a call. It is good for 20 s at least.
    pub(in crate::bench) fn authorization(&self) -> Result<MetadataValue<Ascii>, TargetError> {
        let bearer = self.identity.bearer(&self.grant);
        let bearer = bearer.map_err(|error| TargetError::Token(error.to_string()))?;
        Ok(bearer.to_metadata())
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Calls(…)")
    }
}
