//! Requests, read exactly.

use std::net::IpAddr;

use tonic::Status;
use tradepost_proto::gateway::v1 as pb;
use tradepost_proto::gateway::v1::admit_request::Credentials as Shown;
use tradepost_service::error::Violations;

use super::status::DOMAIN;
use crate::http::{Credentials, Presented};
use crate::upstream::is_service;

/// No credentials are longer; what is longer is not looked at.
const CREDENTIALS_BYTES_MAX: usize = 16 * 1024;
/// No origin is longer: a scheme, a host name and a port.
const ORIGIN_BYTES_MAX: usize = 512;

/// Who wants in, and at which service.
pub(super) fn presented(request: pb::AdmitRequest) -> Result<(Presented, String), Status> {
    let mut violations = Violations::default();
    let credentials = credentials(request.credentials, &mut violations);
    let address = request.address.parse::<IpAddr>();
    if address.is_err() {
        violations.add("address", "must be an IP address");
    }
    if request.origin.len() > ORIGIN_BYTES_MAX {
        violations.add("origin", "must not be longer than 512 bytes");
    }
    if !is_service(&request.audience) {
        violations.add("audience", NOT_A_SERVICE);
    }
    violations.check(DOMAIN)?;
    match (credentials, address) {
        (Some(credentials), Ok(address)) => {
            let presented = Presented {
                credentials,
                address: address.to_canonical(),
                origin: Some(request.origin).filter(|origin| !origin.is_empty()),
            };
            Ok((presented, request.audience))
        }
        // Either is a violation.
        (None, _) | (_, Err(_)) => Err(unknown_audience()),
    }
}

const NOT_A_SERVICE: &str = "must be the name of a service";

/// The audience is none of ours.
pub(super) fn unknown_audience() -> Status {
    let mut violations = Violations::default();
    violations.add("audience", NOT_A_SERVICE);
    violations.into_failure(DOMAIN).into()
}

fn credentials(shown: Option<Shown>, violations: &mut Violations) -> Option<Credentials> {
    let Some(shown) = shown else {
        violations.add("credentials", "one of them is required");
        return None;
    };
    let (field, text) = match &shown {
        Shown::AccessToken(text) => ("access_token", text),
        Shown::ApiKey(text) => ("api_key", text),
        Shown::Ticket(text) => ("ticket", text),
    };
    if text.is_empty() || text.len() > CREDENTIALS_BYTES_MAX {
        violations.add(field, "must have 1 to 16384 bytes");
        return None;
    }
    Some(match shown {
        Shown::AccessToken(text) => Credentials::AccessToken(text.into()),
        Shown::ApiKey(text) => Credentials::ApiKey(text.into()),
        Shown::Ticket(text) => Credentials::Ticket(text.into()),
    })
}
