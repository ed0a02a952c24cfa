//! From where a request came: the peer of the connection, or what a trusted proxy says of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use garde::Validate;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies before a port that the world reaches.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ProxiesConfig {
    /// Networks whose word on the client's address is taken, e.g. `10.0.0.0/8`.
    #[garde(length(max = 256))]
    pub trusted: Vec<IpNet>,
    /// In which header they say it. The other one is never read: a proxy that sets one of them
    /// may pass the other on as the client wrote it.
    #[garde(skip)]
    pub header: ForwardedHeader,
}

/// Where a proxy says for whom it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// From where a request came. In the gateway it stands in the extensions of every request that a handler sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The client's address; an IPv4 address is never written as an IPv6 one.
    pub address: IpAddr,
    /// Whether the client's own connection is encrypted.
    pub is_secure: bool,
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
}

impl Default for Peer {
    /// A request that came by no connection: from a test of a handler.
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_encrypted: false,
        }
    }
}

/// Whose word on the client's address is taken.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    trusted: Vec<IpNet>,
    header: ForwardedHeader,
}

impl From<&ProxiesConfig> for Proxies {
    fn from(config: &ProxiesConfig) -> Self {
        Self {
            trusted: config.trusted.clone(),
            header: config.header,
        }
    }
}

/// What a proxy says of its own client.
struct Hop {
    address: IpAddr,
    is_secure: Option<bool>,
}

impl Proxies {
    /// Whether `address` is a proxy of ours.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&address))
    }

    /// The rightmost hop that is no proxy of ours: everything left of it is the client's own claim.
    #[must_use]
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Client {
        let mut client = Client {
            address: peer.address,
            is_secure: peer.is_encrypted,
        };
        if !self.trusts(client.address) {
            return client;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        };
        let lines = headers.get_all(name).into_iter().rev();
        for hop in lines.flat_map(|line| text(line).rsplit(',')) {
            // What cannot be read ends what can be believed.
            let Some(hop) = self.read(hop).filter(|_| self.trusts(client.address)) else {
                break;
            };
            client.address = hop.address;
            client.is_secure = hop.is_secure.unwrap_or(client.is_secure);
        }
        if self.header == ForwardedHeader::XForwardedFor
            && let Some(protocol) = headers.get_all(FORWARDED_PROTO).into_iter().next_back()
        {
            let (_, last) = text(protocol)
                .rsplit_once(',')
                .unwrap_or(("", text(protocol)));
            client.is_secure = is_https(last);
        }
        client
    }

    fn read(&self, hop: &str) -> Option<Hop> {
        match self.header {
            ForwardedHeader::XForwardedFor => Some(Hop {
                address: node(hop)?,
                is_secure: None,
            }),
            ForwardedHeader::Forwarded => element(hop),
        }
    }
}

/// One element of `Forwarded`: `for="[2001:db8::1]:4711";proto=https`.
fn element(text: &str) -> Option<Hop> {
    let mut address = None;
    let mut is_secure = None;
    for pair in text.split(';') {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("for") {
            address = Some(node(value)?);
        } else if name.eq_ignore_ascii_case("proto") {
            is_secure = Some(is_https(value));
        }
    }
    Some(Hop {
        address: address?,
        is_secure,
    })
}

/// An address, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let text = unquoted(text);
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bare
        .unwrap_or(text)
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

fn is_https(text: &str) -> bool {
    unquoted(text).eq_ignore_ascii_case("https")
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
}

/// Unreadable text reads as empty, which is no address.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
