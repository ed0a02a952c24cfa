//! What a call is allowed, and the token that says so.

use std::fmt;

use tonic::metadata::{Ascii, MetadataValue};
use tradepost_types::TenantId;

/// What a token says, but for its times: equal grants share a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The service that is called, by its name.
    pub audience: &'static str,
    /// Who acts: the text id of a user or key, or the name of a service.
    pub subject: String,
    /// For which tenant, if for one.
    pub tenant: Option<TenantId>,
    /// With which rights.
    pub rights: Vec<&'static str>,
    /// Whether the subject is a customer, who reaches only what is their own.
    pub customer: bool,
}

impl Grant {
    /// For a service that acts in its own name, as `subject`, for a tenant.
    #[must_use]
    pub fn of_service(
        audience: &'static str,
        subject: &str,
        tenant: TenantId,
        rights: &[&'static str],
    ) -> Self {
        Self {
            audience,
            subject: subject.to_owned(),
            tenant: Some(tenant),
            rights: rights.to_vec(),
            customer: false,
        }
    }
}

/// The value of `authorization`. It shows nothing of itself.
#[derive(Clone)]
pub struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// The header of a token, which is ASCII.
    pub(super) fn of_token(token: &str) -> Option<Self> {
        let mut value = MetadataValue::try_from(format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// For the metadata of a call.
    #[must_use]
    pub fn to_metadata(&self) -> MetadataValue<Ascii> {
        self.0.clone()
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}
