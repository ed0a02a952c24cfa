//! The gateway's own gRPC face, `AccessService`: for services that clients reach without the
//! gateway in between. They ask who somebody is, and hear what has ended since.

mod parse;
mod render;
mod status;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tradepost_proto::gateway::v1 as pb;
use tradepost_proto::gateway::v1::access_service_server::AccessService;
use tradepost_service::auth::Rule;

use crate::application::Watching;
use crate::http::Admission;
use crate::upstream::grant_at;

/// One right opens both: who may ask about one credential may hear which are revoked.
pub const RULES: [Rule; 2] = [
    Rule::of_platform("Admit", "access:admit"),
    Rule::of_platform("WatchRevocations", "access:admit"),
];

/// The service.
pub struct AccessApi {
    admission: Admission,
    watchers: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl AccessApi {
    /// Answers by `admission`, to so many watchers at once, until shutdown.
    #[must_use]
    pub fn new(admission: Admission, watchers_max: usize, shutdown: CancellationToken) -> Self {
        Self {
            admission,
            watchers: Arc::new(Semaphore::new(watchers_max)),
            shutdown,
        }
    }
}

type News = Pin<Box<dyn Stream<Item = Result<pb::WatchRevocationsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl AccessService for AccessApi {
    async fn admit(
        &self,
        request: Request<pb::AdmitRequest>,
    ) -> Result<Response<pb::AdmitResponse>, Status> {
        let (presented, audience) = parse::presented(request.into_inner())?;
        let admitted = self.admission.admit(&presented).await;
        let verified = admitted.map_err(|why| Status::from(status::not_admitted(&why)))?;
        let grant = grant_at(&audience, &verified.caller);
        let grant = grant.ok_or_else(parse::unknown_audience)?;
        Ok(Response::new(render::admitted(&verified, grant)))
    }

    type WatchRevocationsStream = News;

    async fn watch_revocations(
        &self,
        _request: Request<pb::WatchRevocationsRequest>,
    ) -> Result<Response<News>, Status> {
        let place = Arc::clone(&self.watchers).try_acquire_owned();
        let place = place.map_err(|_full| Status::from(status::too_many_watchers()))?;
        let watcher = Watcher {
            watching: self.admission.watch(),
            shutdown: self.shutdown.clone(),
            _place: place,
        };
        let news = futures::stream::unfold(watcher, async |mut watcher| {
            let news = watcher.next().await?;
            Some((Ok(news), watcher))
        });
        Ok(Response::new(Box::pin(news)))
    }
}

/// One who watches. What they do not read is not gathered: the connection holds them back.
struct Watcher {
    watching: Watching,
    shutdown: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// `None` at the end of the process.
    async fn next(&mut self) -> Option<pb::WatchRevocationsResponse> {
        tokio::select! {
            () = self.shutdown.cancelled() => None,
            news = self.watching.next() => Some(render::news(&news)),
        }
    }
}

impl fmt::Debug for AccessApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessApi").finish_non_exhaustive()
    }
}
