//! Sends over one stream of the service: no call for each.

use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::send_outcome::Outcome;
use tradepost_proto::notification::v1::stream_sends_request::Send;

use super::Origin;
use super::senders::{Kind, Senders, Sent};
use crate::bench::target::TargetError;

/// Sends that wait until the stream takes them.
const WAITING_MAX: usize = 64;

/// An open stream.
pub(super) struct Sends {
    senders: Senders,
    to: mpsc::Sender<pb::StreamSendsRequest>,
    answers: JoinSet<Result<Sent, TargetError>>,
}

impl Senders {
    pub(super) async fn stream(&self) -> Result<Sends, TargetError> {
        let (to, sends) = mpsc::channel(WAITING_MAX);
        let request = self.request(ReceiverStream::new(sends))?;
        let outcomes = self.client().stream_sends(request).await?.into_inner();
        let mut answers = JoinSet::new();
        answers.spawn(answered(outcomes, self.origin()));
        Ok(Sends {
            senders: self.clone(),
            to,
            answers,
        })
    }
}

impl Sends {
    /// Tells one user what was due then.
    pub(super) async fn tell(&self, kind: Kind, due: Instant, user: usize) {
        let message = self.senders.to_user(kind, due, user);
        self.send(due, Send::ToUsers(message)).await;
    }

    /// Tells the group, now.
    pub(super) async fn broadcast(&self, kind: Kind) {
        let now = Instant::now();
        let message = self.senders.to_group(kind, now);
        self.send(now, Send::ToGroup(message)).await;
    }

    async fn send(&self, due: Instant, send: Send) {
        let request = pb::StreamSendsRequest {
            tag: self.senders.origin().stamp(due),
            send: Some(send),
        };
        // When the stream has ended, its answers say why.
        let _ended = self.to.send(request).await;
    }

    /// What became of all, when all are answered.
    pub(super) async fn finish(self) -> Result<Sent, TargetError> {
        let Self {
            to, mut answers, ..
        } = self;
        drop(to);
        match answers.join_next().await {
            Some(Ok(sent)) => sent,
            Some(Err(_)) | None => {
                let why = "nobody took the answers";
                Err(TargetError::Wrong(why.to_owned()))
            }
        }
    }
}

async fn answered(
    mut outcomes: Streaming<pb::StreamSendsResponse>,
    origin: Origin,
) -> Result<Sent, TargetError> {
    let mut sent = Sent::default();
    while let Some(answer) = outcomes.message().await? {
        for outcome in answer.outcomes {
            sent.answers.push(origin.since(outcome.tag));
            match outcome.outcome {
                Some(Outcome::ToUsers(_) | Outcome::ToGroup(_)) => sent.accepted += 1,
                Some(Outcome::Error(error)) => {
                    sent.refused += 1;
                    sent.why = Some(format!("{}: {}", error.reason, error.message));
                }
                None => sent.refused += 1,
            }
        }
    }
    Ok(sent)
}
