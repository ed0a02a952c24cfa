//! Who acts and from where, for the audit trail.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use super::client::Client;
use super::problem::Problem;
use super::router::Shared;
use crate::domain::caller::Caller;
use crate::ports::identity::Author;

/// From where a request came, and what its client calls itself.
pub(super) struct Origin {
    address: IpAddr,
    user_agent: Option<String>,
}

impl Origin {
    /// The caller, who calls from there.
    pub(super) fn author(self, caller: &Caller) -> Author {
        Author::of(caller, self.address, self.user_agent)
    }

    /// Somebody who calls from there.
    pub(super) fn stranger(self) -> Author {
        Author::stranger(self.address, self.user_agent)
    }
}

impl FromRequestParts<Shared> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        let client = parts.extensions.get::<Client>();
        let address = client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.address);
        let agent = parts.headers.get(USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        Ok(Self {
            address,
            user_agent: agent.map(str::to_owned),
        })
    }
}
