//! Server-sent events: the same messages, for who has no WebSocket.

use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, handshake};
use hyper::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::{HeaderValue, StatusCode, Uri};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use super::reader::{Block, Reader};
use super::{Closing, Line, Opening, refused};
use crate::client::Ended;
use crate::events::{CONTENT_TYPE as EVENTS, Heard, LAST_EVENT_ID};
use crate::stream::{Position, Stream};

const PORT: u16 = 80;
/// The last event.
const CLOSED: &str = "closed";

/// An answer without end, and the connection that it comes by.
pub(in crate::client) struct Events {
    body: Incoming,
    wire: Wire,
    reader: Reader,
}

/// A connection: nothing comes by it unless it is run.
struct Wire {
    connection: Pin<Box<Connection<TokioIo<TcpStream>, Empty<Bytes>>>>,
    is_over: bool,
}

/// Why the last event is the last.
#[derive(Deserialize)]
struct Closed {
    code: u16,
}

impl Events {
    /// Asks for what comes after these.
    pub(super) async fn open(
        url: &str,
        credentials: HeaderValue,
        positions: &BTreeMap<Stream, Position>,
    ) -> Result<Opening, Ended> {
        let uri: Uri = url.parse().map_err(|_malformed| Ended::Request)?;
        let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Ended::Request);
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::get(path)
            .header(HOST, authority.as_str())
            .header(ACCEPT, EVENTS)
            .header(AUTHORIZATION, credentials);
        if !positions.is_empty() {
            request = request.header(LAST_EVENT_ID, Heard::at(positions).id());
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|_malformed| Ended::Request)?;
        let host = authority.host().trim_matches(['[', ']']);
        let address = (host, authority.port_u16().unwrap_or(PORT));
        let Ok((answer, wire)) = ask(address, request).await else {
            return Ok(Opening::Unheard(Duration::ZERO));
        };
        if answer.status() != StatusCode::OK {
            return Ok(refused(answer.status(), answer.headers()));
        }
        if !is_events(&answer) {
            return Ok(Opening::Unheard(Duration::ZERO));
        }
        Ok(Opening::Open(Line::Events(Box::new(Self {
            body: answer.into_body(),
            wire,
            reader: Reader::default(),
        }))))
    }

    pub(super) async fn next(&mut self) -> Result<String, Closing> {
        loop {
            if let Some(Block { kind, data, retry }) = self.reader.block() {
                if kind != CLOSED {
                    return Ok(data);
                }
                let closed: Option<Closed> = serde_json::from_str(&data).ok();
                return Err(Closing {
                    code: closed.map(|closed| closed.code),
                    after: retry,
                });
            }
            let Some(piece) = self.piece().await else {
                return Err(Closing::default());
            };
            if !self.reader.take(&piece) {
                return Err(Closing::default());
            }
        }
    }

    /// The next bytes; none at the end.
    async fn piece(&mut self) -> Option<Bytes> {
        loop {
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame?,
                () = self.wire.run(), if !self.wire.is_over => continue,
            };
            if let Ok(data) = frame.ok()?.into_data() {
                return Some(data);
            }
        }
    }
}

impl Wire {
    /// Until it is over; why shows in what it has brought.
    async fn run(&mut self) {
        let _shown = (&mut self.connection).await;
        self.is_over = true;
    }
}

async fn ask(
    address: (&str, u16),
    request: Request<Empty<Bytes>>,
) -> Result<(Response<Incoming>, Wire), Unanswered> {
    let stream = TcpStream::connect(address).await?;
    let (mut asking, connection) = handshake(TokioIo::new(stream)).await?;
    let mut wire = Wire {
        connection: Box::pin(connection),
        is_over: false,
    };
    let answer = {
        let mut answer = pin!(asking.send_request(request));
        tokio::select! {
            biased;
            answer = &mut answer => answer?,
            // What it has brought is there.
            () = wire.run() => answer.await?,
        }
    };
    Ok((answer, wire))
}

/// Another kind of answer is somebody else's.
fn is_events(answer: &Response<Incoming>) -> bool {
    let kind = answer.headers().get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with(EVENTS))
}

/// There was no answer.
struct Unanswered;

impl From<std::io::Error> for Unanswered {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl From<hyper::Error> for Unanswered {
    fn from(_: hyper::Error) -> Self {
        Self
    }
}
