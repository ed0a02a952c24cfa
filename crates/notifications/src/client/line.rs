//! One connection.

mod events;
mod reader;
mod socket;

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::http::HeaderMap;
use hyper::http::header::RETRY_AFTER;
use hyper::http::{HeaderValue, StatusCode};

use super::{Ended, Options, Way};
use crate::stream::{Position, Stream};
use crate::wire::Said;
use events::Events;
use socket::Socket;

/// How long opening may take.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// A connection that is open.
pub(super) enum Line {
    Socket(Box<Socket>),
    Events(Box<Events>),
}

/// What came of opening one.
pub(super) enum Opening {
    Open(Line),
    /// The server says: not now.
    Later(Duration),
    /// No word of the server.
    Unheard(Duration),
    /// Not with these credentials.
    Untaken,
    /// Not with this request, or not in this way.
    Barred(u16),
    /// Not this caller.
    Never(u16),
}

/// How a connection ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing {
    /// What the server closed with, if it said so.
    pub(super) code: Option<u16>,
    /// When to come back, where the end says so.
    pub(super) after: Option<Duration>,
}

impl Line {
    /// Opens one for who stands here.
    pub(super) async fn open(
        way: Way,
        options: &Options,
        credentials: &str,
        positions: &BTreeMap<Stream, Position>,
    ) -> Result<Opening, Ended> {
        let mut credentials =
            HeaderValue::try_from(credentials).map_err(|_malformed| Ended::Request)?;
        credentials.set_sensitive(true);
        let opening = async {
            match (way, &options.events_url) {
                (Way::Events, Some(url)) => Events::open(url, credentials, positions).await,
                (Way::Socket | Way::Events, _) => {
                    Socket::open(&options.url, credentials, positions).await
                }
            }
        };
        let opened = tokio::time::timeout(OPEN_MAX, opening).await;
        opened.unwrap_or(Ok(Opening::Unheard(Duration::ZERO)))
    }

    pub(super) const fn way(&self) -> Way {
        match self {
            Self::Socket(_) => Way::Socket,
            Self::Events(_) => Way::Events,
        }
    }

    /// Says something, where something can be said; a failure shows when the line is read.
    pub(super) async fn say(&mut self, said: &Said) {
        match self {
            Self::Socket(socket) => socket.say(said).await,
            Self::Events(_) => {}
        }
    }

    /// The next text, or how it ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<String, Closing> {
        match self {
            Self::Socket(socket) => socket.next().await,
            Self::Events(events) => events.next().await,
        }
    }
}

/// What an answer means that opens nothing.
fn refused(status: StatusCode, headers: &HeaderMap) -> Opening {
    let after = headers.get(RETRY_AFTER);
    let seconds = after.and_then(|value| value.to_str().ok()?.parse().ok());
    let after = Duration::from_secs(seconds.unwrap_or_default());
    match status {
        StatusCode::UNAUTHORIZED => Opening::Untaken,
        StatusCode::FORBIDDEN => Opening::Never(status.as_u16()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Opening::Later(after),
        // Of a proxy before a server that is away, as a rule.
        StatusCode::REQUEST_TIMEOUT => Opening::Unheard(after),
        _ if status.is_server_error() => Opening::Unheard(after),
        _ => Opening::Barred(status.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_whether_to_come_back_and_in_which_way() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let kind = |status| match refused(StatusCode::from_u16(status).unwrap(), &headers) {
            Opening::Open(_) => "open",
            Opening::Later(after) => {
                assert_eq!(after.as_secs(), 7);
                "later"
            }
            Opening::Unheard(_) => "unheard",
            Opening::Untaken => "untaken",
            Opening::Barred(barred) => {
                assert_eq!(barred, status);
                "barred"
            }
            Opening::Never(_) => "never",
        };

        for (status, wanted) in [
            (200, "barred"),
            (302, "barred"),
            (400, "barred"),
            (401, "untaken"),
            (403, "never"),
            (404, "barred"),
            (408, "unheard"),
            (426, "barred"),
            (429, "later"),
            (431, "barred"),
            (500, "unheard"),
            (501, "unheard"),
            (502, "unheard"),
            (503, "later"),
        ] {
            assert_eq!(kind(status), wanted, "{status}");
        }
    }
}
