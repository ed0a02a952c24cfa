//! Where an endpoint is. What its name stands for is looked at when it is called, each time.

use std::net::IpAddr;

use url::{Host, Url};

use super::address::is_public;

/// The most characters of a URL.
const URL_CHARS_MAX: usize = 2_048;

/// What is allowed besides https to the public internet: for tests and a laptop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UrlRules {
    /// http too.
    pub allow_http: bool,
    /// Private addresses too.
    pub allow_private: bool,
}

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none, or too long.
    #[error("must be a URL of up to {URL_CHARS_MAX} characters")]
    Malformed,
    /// It is another scheme.
    #[error("must begin with https://")]
    Scheme,
    /// It has a user or a password.
    #[error("must have no user and no password: a request is known by its signature")]
    Credentials,
    /// It has a fragment, which would never be sent.
    #[error("must have no fragment (#)")]
    Fragment,
    /// Its host is an address that is not on the public internet.
    #[error("must not lead to a private address")]
    Private,
}

/// The URL of an endpoint, good to call as far as one can tell without asking for its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// Parses it by the rules.
    ///
    /// # Errors
    /// [`UrlError`] for the first thing that is wrong.
    pub fn parse(text: &str, rules: UrlRules) -> Result<Self, UrlError> {
        if text.chars().count() > URL_CHARS_MAX {
            return Err(UrlError::Malformed);
        }
        let url = Url::parse(text).map_err(|_malformed| UrlError::Malformed)?;
        match url.scheme() {
            "https" => {}
            "http" if rules.allow_http => {}
            _ => return Err(UrlError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        // A name is resolved when it is called; an address never meets the resolver.
        let address: Option<IpAddr> = match url.host() {
            None => return Err(UrlError::Malformed),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
        };
        if address.is_some_and(|address| !rules.allow_private && !is_public(address)) {
            return Err(UrlError::Private);
        }
        // What is stored is what was parsed, which may have become longer.
        if url.as_str().len() > URL_CHARS_MAX {
            return Err(UrlError::Malformed);
        }
        Ok(Self(url))
    }

    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// To be called.
    #[must_use]
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, UrlError> {
        EndpointUrl::parse(text, UrlRules::default()).map(|url| url.as_str().to_owned())
    }

    #[test]
    fn a_public_https_url_is_taken() {
        for text in [
            "https://shop.example/hooks?shop=1",
            "https://shop.example:8443/",
            "https://1.1.1.1/",
            "https://[2606:4700:4700::1111]/",
        ] {
            assert_eq!(parse(text), Ok(text.to_owned()));
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        let long = format!("https://shop.example/{}", "a".repeat(2_048));
        for (text, error) in [
            ("", UrlError::Malformed),
            ("shop.example", UrlError::Malformed),
            ("https://", UrlError::Malformed),
            (long.as_str(), UrlError::Malformed),
            ("http://shop.example/", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("gopher://shop.example/", UrlError::Scheme),
            ("https://user@shop.example/", UrlError::Credentials),
            ("https://:secret@shop.example/", UrlError::Credentials),
            ("https://shop.example/#part", UrlError::Fragment),
            ("https://127.0.0.1/", UrlError::Private),
            // The many ways to write an address.
            ("https://2130706433/", UrlError::Private),
            ("https://0x7f.1/", UrlError::Private),
            ("https://0177.0.0.1/", UrlError::Private),
            ("https://127.1/", UrlError::Private),
            ("https://[::1]/", UrlError::Private),
            ("https://[::ffff:10.0.0.1]/", UrlError::Private),
            (
                "https://169.254.169.254/latest/meta-data",
                UrlError::Private,
            ),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_laptop_may_allow_more() {
        let rules = UrlRules {
            allow_http: true,
            allow_private: true,
        };

        assert!(EndpointUrl::parse("http://127.0.0.1:8080/", rules).is_ok());
        assert_eq!(
            EndpointUrl::parse("ftp://127.0.0.1/", rules),
            Err(UrlError::Scheme)
        );
    }
}
