//! From where a request comes, for the audit trail.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use super::router::Shared;
use crate::domain::caller::Caller;
use crate::ports::identity::Author;
use tradepost_service::proxies::Client;

/// From where.
pub(super) struct Whence {
    address: IpAddr,
    user_agent: Option<String>,
}

impl Whence {
    /// The client's address.
    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

    /// Something that a caller does.
    pub(super) fn by(self, caller: &Caller) -> Author {
        Author::of(caller, self.address, self.user_agent)
    }

    /// Something that somebody does who has not shown who they are.
    pub(super) fn stranger(self) -> Author {
        Author::stranger(self.address, self.user_agent)
    }
}

impl FromRequestParts<Shared> for Whence {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Infallible> {
        let client = parts.extensions.get::<Client>();
        let agent = parts.headers.get(USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        Ok(Self {
            address: client.map_or(Ipv4Addr::UNSPECIFIED.into(), |client| client.address),
            user_agent: agent.map(str::to_owned),
        })
    }
}
