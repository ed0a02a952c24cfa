//! Asks the gateway, which alone judges users' credentials.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tradepost_proto::gateway::v1 as pb;
use tradepost_proto::gateway::v1::access_service_client::AccessServiceClient;
use tradepost_service::auth::{Grant, Identity};
use tradepost_service::client::CallContext;
use tradepost_service::error::ErrorDetails;

use crate::ports::{
    Access, Admitted, Credentials, Reader, Refused, Revocation, Revocations, Revoked, Shown,
    Unfollowed,
};

/// Who is asked, by its name.
const GATEWAY: &str = "gateway";
/// What the service needs there, and all that it is believed.
const RIGHTS: [&str; 1] = ["access:admit"];
/// How long an address that failed too often waits where the answer does not say.
const TOO_OFTEN: Duration = Duration::from_secs(5);

/// The gateway's word on who is let in.
#[derive(Debug, Clone)]
pub struct GatewayAccess {
    channel: Channel,
    identity: Identity,
    audience: &'static str,
    deadline: Duration,
}

impl GatewayAccess {
    /// Asks over `channel` as `identity` for the rights at `audience`, waiting no longer than
    /// `deadline`.
    #[must_use]
    pub const fn new(
        channel: Channel,
        identity: Identity,
        audience: &'static str,
        deadline: Duration,
    ) -> Self {
        Self {
            channel,
            identity,
            audience,
            deadline,
        }
    }

    fn context(&self) -> CallContext {
        let grant = Grant {
            audience: GATEWAY,
            subject: self.identity.issuer().to_owned(),
            tenant: None,
            rights: RIGHTS.to_vec(),
            customer: false,
        };
        CallContext::new(&self.identity, grant)
    }

    fn client(
        &self,
        context: CallContext,
    ) -> AccessServiceClient<InterceptedService<Channel, CallContext>> {
        AccessServiceClient::with_interceptor(self.channel.clone(), context)
    }
}

#[async_trait]
impl Access for GatewayAccess {
    async fn admit(&self, shown: &Shown) -> Result<Admitted, Refused> {
        use pb::admit_request::Credentials as Asked;
        let credentials = match &shown.credentials {
            Credentials::Token(token) => Asked::AccessToken(token.expose_secret().to_owned()),
            Credentials::Key(key) => Asked::ApiKey(key.expose_secret().to_owned()),
            Credentials::Ticket(ticket) => Asked::Ticket(ticket.expose_secret().to_owned()),
        };
        let request = pb::AdmitRequest {
            credentials: Some(credentials),
            address: shown.address.to_string(),
            origin: shown.origin.as_deref().unwrap_or_default().to_owned(),
            audience: self.audience.to_owned(),
        };
        let mut client = self.client(self.context().deadline(self.deadline));
        // The deadline holds here too, for a server that never answers.
        let answer = tokio::time::timeout(self.deadline, client.admit(request)).await;
        match answer {
            Ok(Ok(answer)) => admitted(answer.into_inner()),
            Ok(Err(status)) => Err(refused(&status)),
            Err(_elapsed) => Err(Refused::Unavailable),
        }
    }

    async fn revocations(&self) -> Result<Revocations, Unfollowed> {
        let mut client = self.client(self.context());
        let watching = client.watch_revocations(pb::WatchRevocationsRequest {});
        let answer = tokio::time::timeout(self.deadline, watching)
            .await
            .map_err(|elapsed| Unfollowed(elapsed.into()))?
            .map_err(|status| Unfollowed(status.into()))?;
        let told = answer.into_inner();
        let told = told.map(|told| {
            told.map(revoked)
                .map_err(|status| Unfollowed(status.into()))
        });
        Ok(told.boxed())
    }
}

fn admitted(answer: pb::AdmitResponse) -> Result<Admitted, Refused> {
    // Who has no name, or no tenant, has no notifications.
    let nobody = |detail: &str| Refused::Forbidden {
        reason: "READER_UNNAMED".to_owned(),
        detail: detail.to_owned(),
    };
    let user = answer.subject.parse();
    let user = user.map_err(|_unnamed| nobody("the credentials name no person"))?;
    let tenant = answer.tenant_id.parse();
    let tenant = tenant.map_err(|_unnamed| nobody("the credentials are of no tenant"))?;
    let expires_at = match answer.expire_time {
        None => None,
        // A time that is none must not make credentials last.
        Some(at) => Some(time_of(&at).ok_or(Refused::Unavailable)?),
    };
    let issued_at = answer.issue_time.as_ref().and_then(time_of);
    Ok(Admitted {
        reader: Reader { tenant, user },
        rights: answer.rights,
        expires_at,
        issued_at: issued_at.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        parts: answer.parts,
        connections_max: answer.connections_max,
    })
}

fn refused(status: &Status) -> Refused {
    let details = ErrorDetails::from_status(status);
    let (reason, detail) = (details.reason, details.message);
    // What the gateway says of the client, not what it says of this service's own token.
    let of_client = details.domain == "gateway.tradepost";
    if of_client && matches!(details.code, Code::Unauthenticated | Code::InvalidArgument) {
        return Refused::Invalid { reason, detail };
    }
    if of_client && details.code == Code::PermissionDenied {
        return Refused::Forbidden { reason, detail };
    }
    if of_client && details.code == Code::ResourceExhausted {
        let after = details.retry_after.unwrap_or(TOO_OFTEN);
        return Refused::TooOften { after };
    }
    tracing::warn!(
        event = "access.unavailable",
        code = %details.code,
        reason,
        "the gateway does not say who is let in"
    );
    Refused::Unavailable
}

fn revoked(told: pb::WatchRevocationsResponse) -> Revoked {
    let revocations = told.revocations.into_iter();
    let revocations = revocations.map(|revocation| Revocation {
        part: revocation.part,
        // A time that is none revokes all.
        issued_before: revocation.issued_before.as_ref().and_then(time_of),
    });
    Revoked {
        revocations: revocations.collect(),
        current_at: told.current_time.as_ref().and_then(time_of),
    }
}

fn time_of(at: &prost_types::Timestamp) -> Option<OffsetDateTime> {
    let whole = OffsetDateTime::from_unix_timestamp(at.seconds).ok()?;
    whole.checked_add(time::Duration::nanoseconds(at.nanos.into()))
}
