//! The HTTP client: keep-alive connections, as little work a request as possible, because it
//! shares the machine with the servers it measures.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::retry::may_pass;
use super::wire::Problem;
use super::{Call, CallError, RetryPolicy};

/// An idle connection is closed by us before a server would, so that no request meets its end.
const IDLE_MAX: Duration = Duration::from_secs(15);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Not a base URL we can use.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a base URL like http://127.0.0.1:7080")]
pub struct UrlError(String);

/// A client of one gateway; clones share their connections.
#[derive(Debug, Clone)]
pub struct Gateway {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    retry: RetryPolicy,
    authorization: Option<HeaderValue>,
}

/// Not an API key: it has characters that no header may have.
#[derive(Debug, thiserror::Error)]
#[error("the API key has characters that no key has")]
pub struct KeyError;

/// A good answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The body.
    pub body: Bytes,
    /// Whether the gateway answered for an earlier call with the same key.
    pub replayed: bool,
}

impl Answer {
    /// The body, read.
    ///
    /// # Errors
    /// [`CallError::Misunderstood`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| CallError::Misunderstood(error.to_string()))
    }
}

/// A try that did not work out.
struct Failure {
    error: CallError,
    may_pass: bool,
    asked: Option<Duration>,
}

impl Gateway {
    /// A client of the gateway at `url`: plain HTTP, no path.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn new(url: &str, retry: RetryPolicy) -> Result<Self, UrlError> {
        let base = url.trim_end_matches('/');
        let parsed = base.parse::<Uri>().ok().filter(|uri| {
            uri.scheme_str() == Some("http") && uri.authority().is_some() && uri.path() == "/"
        });
        if parsed.is_none() {
            return Err(UrlError(url.to_owned()));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_WITHIN));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Ok(Self {
            client,
            base: base.to_owned(),
            retry,
            authorization: None,
        })
    }

    /// The same gateway, called with an API key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn with_key(self, key: &SecretString) -> Result<Self, KeyError> {
        let text = format!("Bearer {}", key.expose_secret());
        let mut authorization = HeaderValue::try_from(text).map_err(|_invalid| KeyError)?;
        authorization.set_sensitive(true);
        Ok(Self {
            authorization: Some(authorization),
            ..self
        })
    }

    /// The same gateway with another patience.
    #[must_use]
    pub fn with_retry(&self, retry: RetryPolicy) -> Self {
        Self {
            retry,
            ..self.clone()
        }
    }

    /// Carries out a call, with as many tries as the policy allows.
    ///
    /// # Errors
    /// See [`CallError`]; of the last try.
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let mut attempt = 1;
        loop {
            let failure = match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let pause = self.retry.pause(attempt, failure.asked, rand::random());
            match pause.filter(|_| failure.may_pass) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure.error),
            }
            attempt += 1;
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, Failure> {
        let mut request = call.request(&self.base).map_err(|error| Failure {
            error: CallError::Misunderstood(error.to_string()),
            may_pass: false,
            asked: None,
        })?;
        if let Some(authorization) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let response = self.client.request(request).await.map_err(unreachable)?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(unreachable)?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let response = tokio::time::timeout(call.within(), exchange)
            .await
            .map_err(unreachable)??;
        judge(&response)
    }
}

fn judge(response: &Response<Bytes>) -> Result<Answer, Failure> {
    let (status, headers) = (response.status(), response.headers());
    if status.is_success() {
        let replayed = headers.get("idempotent-replayed");
        return Ok(Answer {
            body: response.body().clone(),
            replayed: replayed.is_some_and(|value| value.as_bytes() == b"true"),
        });
    }
    let asked = retry_after(headers);
    Err(Failure {
        error: refusal(status, response.body()),
        may_pass: may_pass(status.as_u16(), asked),
        asked,
    })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

fn refusal(status: StatusCode, body: &[u8]) -> CallError {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    CallError::Refused {
        status: status.as_u16(),
        reason: problem.reason,
        detail: problem.detail,
    }
}

/// No answer came, and nobody knows whether the call was carried out.
fn unreachable(error: impl std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    Failure {
        error: CallError::Unreachable(text),
        may_pass: true,
        asked: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_base_url_is_taken() {
        let gateway = |url| Gateway::new(url, RetryPolicy::ONCE);

        for url in [
            "http://127.0.0.1:7080",
            "http://localhost/",
            "http://[::1]:7080",
        ] {
            assert!(gateway(url).is_ok(), "{url}");
        }
        for url in [
            "",
            "127.0.0.1:7080",
            "https://shop.example",
            "http://host/v1",
            "http://",
        ] {
            assert!(gateway(url).is_err(), "{url}");
        }
    }
}
