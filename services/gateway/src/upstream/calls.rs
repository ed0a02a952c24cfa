//! What every call of a service shares: whom it speaks for, how long it may take, whether it is
//! repeated, and how its failure is told. When its caller leaves, the call is dropped, which
//! cancels it at the service.

use std::time::Duration;

use tokio::time::Instant;
use tonic::service::Interceptor;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tradepost_service::client::CallContext;

use super::breaker::Health;
use super::link::{Held, Link};
use super::refusal::Refusal;
use super::retries::{TRIES_MAX, pause};

/// Whether a call that was not answered may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It only reads, or carries the key of its wish: twice is once.
    Safe,
    /// Nobody knows what twice would be.
    Never,
}

/// The calls of one service for one request.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) link: Link,
    /// Whom they speak for.
    pub(super) context: CallContext,
    /// When the caller stops waiting, if they said so.
    pub(super) until: Option<Instant>,
}

impl Calls {
    /// Asks, and asks again where that is safe and helps.
    pub(super) async fn answer<Q: Clone, A, F>(
        &self,
        repeat: Repeat,
        question: Q,
        ask: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A, Refusal>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let limit = Instant::now() + self.link.limits().deadline;
        let until = self.until.map_or(limit, |until| until.min(limit));
        let _place = self.link.place().map_err(|held| self.held(held))?;
        for _try in 1..TRIES_MAX {
            let failure = match self.once(question.clone(), until, &ask).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let helps = repeat == Repeat::Safe && failure.passing;
            let pause = pause();
            if !helps || Instant::now() + pause >= until || !self.link.may_repeat() {
                return Err(failure.refusal);
            }
            tokio::time::sleep(pause).await;
        }
        let last = self.once(question, until, &ask).await;
        last.map_err(|failure| failure.refusal)
    }

    async fn once<Q, A, F>(
        &self,
        question: Q,
        until: Instant,
        ask: impl Fn(Channel, Request<Q>) -> F,
    ) -> Result<A, Failure>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let started = Instant::now();
        let allowed = until.saturating_duration_since(started);
        let running = self.link.begin().map_err(|held| Failure {
            refusal: self.held(held),
            passing: false,
        })?;
        let request = self.request(question, allowed).map_err(|status| Failure {
            refusal: self.refusal(&status),
            passing: false,
        })?;
        // The deadline holds here too, for a server that never answers and a connection that is
        // never made.
        let answered = tokio::time::timeout(allowed, ask(self.link.channel(), request)).await;
        let answered = answered.unwrap_or_else(|_elapsed| Err(Refusal::late()));
        let code = answered.as_ref().err().map_or(Code::Ok, Refusal::code);
        running.end(self.health(code, started.elapsed()));
        match answered {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(Failure {
                refusal: self.refusal(&status),
                passing: code == Code::Unavailable,
            }),
        }
    }

    fn request<Q>(&self, question: Q, allowed: Duration) -> Result<Request<Q>, Status> {
        let mut context = self.context.clone().deadline(allowed);
        let (metadata, extensions, ()) = context.call(Request::new(()))?.into_parts();
        Ok(Request::from_parts(metadata, extensions, question))
    }

    /// What a call says of the service: one that was cut short by its caller says nothing.
    fn health(&self, code: Code, took: Duration) -> Health {
        let slow = took >= self.link.limits().slow;
        match code {
            Code::DeadlineExceeded | Code::Cancelled if !slow => Health::Unknown,
            Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unavailable
            | Code::Internal
            | Code::Unknown
            | Code::DataLoss => Health::Failed,
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => match slow {
                true => Health::Slow,
                false => Health::Good,
            },
        }
    }

    /// Counts a failure and says it in the terms of HTTP.
    pub(super) fn refusal(&self, status: &Status) -> Refusal {
        let service = self.link.service();
        let (refusal, code) = Refusal::read(service, status);
        self.link.metrics().upstream_error(service, code);
        refusal
    }

    fn held(&self, held: Held) -> Refusal {
        Refusal::held(self.link.service(), held)
    }
}

/// A try that did not succeed.
struct Failure {
    refusal: Refusal,
    /// Whether the same may succeed a moment later.
    passing: bool,
}
