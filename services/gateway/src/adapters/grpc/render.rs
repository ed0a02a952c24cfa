//! Answers, in the words of the protocol.

use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::gateway::v1 as pb;
use tradepost_service::auth::Grant;

use crate::application::{Ended, News};
use crate::domain::caller::Verified;
use crate::domain::revocation::Revoked;

/// Who it is, and what they may do there.
pub(super) fn admitted(verified: &Verified, grant: Grant) -> pb::AdmitResponse {
    let Verified { caller, basis } = verified;
    let rights = grant.rights.into_iter().map(str::to_owned);
    pb::AdmitResponse {
        subject: grant.subject,
        tenant_id: grant.tenant.map(|id| id.to_string()).unwrap_or_default(),
        rights: rights.collect(),
        customer: grant.customer,
        expire_time: caller.expires_at.map(timestamp_to_proto),
        issue_time: Some(timestamp_to_proto(basis.issued_at)),
        parts: basis.parts().map(part).collect(),
        // The gateway bounds what is open at itself, process by process.
        connections_max: 0,
    }
}

/// What has ended.
pub(super) fn news(news: &News) -> pb::WatchRevocationsResponse {
    pb::WatchRevocationsResponse {
        revocations: news.ended.iter().map(ended).collect(),
        current_time: news.current_at.map(timestamp_to_proto),
    }
}

fn ended(ended: &Ended) -> pb::Revocation {
    pb::Revocation {
        part: part(ended.part),
        issued_before: ended.issued_before.map(timestamp_to_proto),
    }
}

/// A text that is the same for the same part, and for no other.
fn part(part: Revoked) -> String {
    format!("{}:{}", part.kind(), part.subject())
}
