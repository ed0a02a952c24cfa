//! The upgrade: what a client has to say for it, and what it is answered.

use bytes::Bytes;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tradepost_notifications::wire::SUBPROTOCOL;
use tradepost_websocket::accept_key;

use super::refusal::Refusal;
use super::shown::Offered;
use super::{VERSION, full};
use crate::live::port::Answer;

/// The answer to the client's key, if this is the request for a WebSocket.
pub(super) fn accept<B>(request: &Request<B>) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    let is_asked = request.method() == Method::GET
        && only(headers, &UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && only(headers, &SEC_WEBSOCKET_VERSION) == Some(VERSION.as_bytes())
        && lists(headers, &CONNECTION, "upgrade");
    if !is_asked {
        return Err(Refusal::NoUpgrade);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).and_then(accept_key);
    let accept = key.and_then(|key| HeaderValue::try_from(key).ok());
    accept.ok_or(Refusal::KeyMalformed)
}

/// The subprotocol that is answered. Where a client offers any, this one must be among them; who
/// offers only credentials wants one of its own back, and it must not be the secret.
pub(super) fn protocol(offered: &Offered) -> Result<Option<HeaderValue>, Refusal> {
    if offered.is_spoken {
        return Ok(Some(HeaderValue::from_static(SUBPROTOCOL)));
    }
    if offered.is_other {
        return Err(Refusal::ProtocolUnknown);
    }
    Ok(offered.marker.map(HeaderValue::from_static))
}

/// The value of a header that is given once.
pub(super) fn only<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> Option<&'headers [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        (None | Some(_), _) => None,
    }
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|given| given.trim().eq_ignore_ascii_case(wanted))
}

pub(super) fn switching(accept: HeaderValue, protocol: Option<HeaderValue>) -> Answer {
    let mut answer = Response::new(full(Bytes::new()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    answer
}

/// The socket of a connection that was upgraded, and what was read of it already.
pub(super) fn socket(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts: hyper::upgrade::Parts<TokioIo<TcpStream>> = upgraded.downcast().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}
