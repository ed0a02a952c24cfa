//! The gateway's `AccessService`, as the protocol has it, in the test's hand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tradepost_proto::gateway::v1 as pb;
use tradepost_proto::gateway::v1::access_service_server::{AccessService, AccessServiceServer};
use tradepost_service::Clock;
use tradepost_service::error::Failure;
use tradepost_types::TenantId;

/// How often the feed says how current it is.
const BEAT: Duration = Duration::from_millis(50);

/// Why somebody is not taken.
#[derive(Clone, Copy)]
pub(super) enum No {
    Expired,
    Revoked,
    Suspended,
    ForeignPage,
    TooOften,
    Unavailable,
}

#[derive(Clone)]
pub(super) enum Word {
    Yes(pb::AdmitResponse),
    No(No),
}

/// What it knows, and was asked.
pub(super) struct State {
    words: Mutex<HashMap<String, Word>>,
    pub(super) asked: Mutex<Vec<pb::AdmitRequest>>,
    revoked: watch::Sender<Vec<pb::Revocation>>,
    is_away: watch::Sender<bool>,
    /// Whether questions wait for their answers.
    pub(super) is_holding: watch::Sender<bool>,
}

#[derive(Clone)]
pub(super) struct Gateway(pub(super) Arc<State>);

impl Gateway {
    pub(super) async fn start() -> (Self, SocketAddr) {
        let gateway = Self(Arc::new(State {
            words: Mutex::default(),
            asked: Mutex::default(),
            revoked: watch::Sender::new(Vec::new()),
            is_away: watch::Sender::new(false),
            is_holding: watch::Sender::new(false),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let served = Server::builder()
            .add_service(AccessServiceServer::new(gateway.clone()))
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(served);
        (gateway, addr)
    }

    pub(super) fn say(&self, credentials: &str, word: Word) {
        let mut words = self.0.words.lock().unwrap();
        words.insert(credentials.to_owned(), word);
    }

    pub(super) fn revoke(&self, part: &str, issued_before: Option<OffsetDateTime>) {
        let revocation = pb::Revocation {
            part: part.to_owned(),
            issued_before: issued_before.map(timestamp),
        };
        self.0
            .revoked
            .send_modify(|revoked| revoked.push(revocation));
    }

    pub(super) fn go_away(&self, is_away: bool) {
        self.0.is_away.send_replace(is_away);
    }

    pub(super) fn asked(&self) -> usize {
        self.0.asked.lock().unwrap().len()
    }
}

/// Who may do everything that is needed here, for as long as they like.
pub(super) fn person(user: &str, tenant: TenantId) -> pb::AdmitResponse {
    let now = Clock::system().now();
    pb::AdmitResponse {
        subject: user.to_owned(),
        tenant_id: tenant.to_string(),
        rights: vec!["notifications:read".to_owned()],
        customer: true,
        expire_time: None,
        issue_time: Some(timestamp(now)),
        parts: vec![
            "all:".to_owned(),
            format!("tenant:{tenant}"),
            format!("user:{user}"),
            format!("session:of-{user}"),
        ],
        connections_max: 0,
    }
}

pub(super) fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap(),
    }
}

#[tonic::async_trait]
impl AccessService for Gateway {
    async fn admit(
        &self,
        request: Request<pb::AdmitRequest>,
    ) -> Result<Response<pb::AdmitResponse>, Status> {
        use pb::admit_request::Credentials as Shown;
        if *self.0.is_away.borrow() {
            return Err(Status::unavailable("away"));
        }
        let request = request.into_inner();
        self.0.asked.lock().unwrap().push(request.clone());
        let mut is_holding = self.0.is_holding.subscribe();
        is_holding.wait_for(|is_holding| !is_holding).await.unwrap();
        let shown = match request.credentials.unwrap() {
            Shown::AccessToken(text) | Shown::ApiKey(text) | Shown::Ticket(text) => text,
        };
        let word = self.0.words.lock().unwrap().get(&shown).cloned();
        match word {
            Some(Word::Yes(answer)) => Ok(Response::new(answer)),
            Some(Word::No(no)) => Err(status(no)),
            None => Err(refused(Code::Unauthenticated, "TOKEN_INVALID")),
        }
    }

    type WatchRevocationsStream = BoxStream<'static, Result<pb::WatchRevocationsResponse, Status>>;

    async fn watch_revocations(
        &self,
        _request: Request<pb::WatchRevocationsRequest>,
    ) -> Result<Response<Self::WatchRevocationsStream>, Status> {
        if *self.0.is_away.borrow() {
            return Err(Status::unavailable("away"));
        }
        let (revoked, is_away) = (self.0.revoked.subscribe(), self.0.is_away.subscribe());
        let told = stream::unfold((revoked, is_away, 0), async |(mut revoked, away, had)| {
            let _beat = tokio::time::timeout(BEAT, revoked.changed()).await;
            let all = revoked.borrow_and_update().clone();
            let is_away = *away.borrow();
            let told = match is_away {
                true => Err(Status::unavailable("away")),
                false => Ok(pb::WatchRevocationsResponse {
                    revocations: all.get(had..).unwrap_or_default().to_vec(),
                    current_time: Some(timestamp(Clock::system().now())),
                }),
            };
            Some((told, (revoked, away, all.len())))
        });
        Ok(Response::new(told.boxed()))
    }
}

fn status(no: No) -> Status {
    let (code, reason) = match no {
        No::Expired => (Code::Unauthenticated, "TOKEN_EXPIRED"),
        No::Revoked => (Code::Unauthenticated, "CREDENTIALS_REVOKED"),
        No::ForeignPage => (Code::PermissionDenied, "ORIGIN_NOT_ALLOWED"),
        No::Suspended => (Code::PermissionDenied, "TENANT_SUSPENDED"),
        No::TooOften => (Code::ResourceExhausted, "TOO_MANY_FAILURES"),
        No::Unavailable => (Code::Unavailable, "CREDENTIALS_UNAVAILABLE"),
    };
    refused(code, reason)
}

fn refused(code: Code, reason: &'static str) -> Status {
    Failure::new(code, reason, "gateway.tradepost", "no")
        .retry_after(Duration::from_millis(6_500))
        .into()
}
