//! Where users may be sent back to: exactly there.

use std::fmt;

use url::{Host, Url};

const LEN_MAX: usize = 2_000;

/// A redirect URI as a client has registered it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedirectUri(String);

/// Why a URI cannot be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectFault {
    /// It is no absolute URI in its normal form.
    #[error("must be an absolute URI, written as a browser writes it")]
    Form,
    /// It is neither https nor a loopback address.
    #[error("must be https, or http to 127.0.0.1 or [::1]")]
    Scheme,
    /// It has a fragment, or a name and password.
    #[error("must have no fragment, no user and no wildcard")]
    Parts,
}

impl RedirectUri {
    /// Reads a URI to be registered.
    ///
    /// # Errors
    /// [`RedirectFault`].
    pub fn parse(text: &str) -> Result<Self, RedirectFault> {
        if text.len() > LEN_MAX {
            return Err(RedirectFault::Form);
        }
        let url = Url::parse(text).map_err(|_malformed| RedirectFault::Form)?;
        let is_plain = url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && !text.contains('*');
        if !is_plain {
            return Err(RedirectFault::Parts);
        }
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(RedirectFault::Scheme);
        }
        // Two spellings of one place would be compared as two.
        if url.as_str() != text {
            return Err(RedirectFault::Form);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is what is asked for, character by character. An app on a device cannot choose
    /// its port, so on a loopback address the port may be another one (RFC 8252, section 7.3).
    #[must_use]
    pub fn admits(&self, asked: &str) -> bool {
        if self.0 == asked {
            return true;
        }
        let (Ok(mut own), Ok(mut other)) = (Url::parse(&self.0), Url::parse(asked)) else {
            return false;
        };
        let is_normal = other.as_str() == asked;
        is_normal
            && is_loopback(&own)
            && is_loopback(&other)
            && own.set_port(None).is_ok()
            && other.set_port(None).is_ok()
            && own == other
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_loopback(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // The name may resolve to anything.
        Some(Host::Domain(_)) | None => false,
    };
    url.scheme() == "http" && is_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_loopback_addresses_are_taken_as_they_are_written() {
        for text in [
            "https://shop.example/callback",
            "https://shop.example:8443/callback?from=login",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:7000/callback",
            "http://[::1]:7000/",
        ] {
            assert_eq!(RedirectUri::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use RedirectFault::{Form, Parts, Scheme};
        for (text, fault) in [
            ("", Form),
            ("/callback", Form),
            ("https://shop.example", Form),
            ("https://Shop.example/", Form),
            ("https://shop.example/a/../b", Form),
            ("https://shop.example:443/", Form),
            ("https://shop.example/#here", Parts),
            ("https://ada@shop.example/", Parts),
            ("https://*.shop.example/", Parts),
            ("http://shop.example/", Scheme),
            ("http://localhost/", Scheme),
            ("http://127.0.0.1.shop.example/", Scheme),
            ("javascript:alert(1)", Scheme),
            ("myapp://callback", Scheme),
            ("data:text/html,x", Scheme),
        ] {
            assert_eq!(RedirectUri::parse(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn only_the_same_text_is_the_same_place() {
        let uri = RedirectUri::parse("https://shop.example/callback").unwrap();

        assert!(uri.admits("https://shop.example/callback"));
        for other in [
            "https://shop.example/callback/",
            "https://shop.example/callback?x=1",
            "https://shop.example/callback#x",
            "https://shop.example:443/callback",
            "https://SHOP.example/callback",
            "https://shop.example/x/../callback",
            "https://shop.example.evil.example/callback",
            "https://shop.example:8443/callback",
            "http://shop.example/callback",
            "",
        ] {
            assert!(!uri.admits(other), "{other}");
        }
    }

    #[test]
    fn on_a_loopback_address_the_port_is_free_and_nothing_else() {
        let uri = RedirectUri::parse("http://127.0.0.1/callback").unwrap();

        assert!(uri.admits("http://127.0.0.1:51234/callback"));
        for other in [
            "http://127.0.0.1:51234/other",
            "http://127.0.0.2:51234/callback",
            "http://[::1]:51234/callback",
            "http://localhost:51234/callback",
            "https://127.0.0.1:51234/callback",
            "http://evil@127.0.0.1:51234/callback",
            "http://127.0.0.1:51234/callback#x",
        ] {
            assert!(!uri.admits(other), "{other}");
        }
    }
}
