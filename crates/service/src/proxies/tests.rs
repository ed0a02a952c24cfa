//! Whom a chain of proxies speaks for.

use super::*;

const PROXY: &str = "10.0.0.1";

fn proxies(header: ForwardedHeader) -> Proxies {
    Proxies {
        trusted: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
        header,
    }
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn said(
    header: ForwardedHeader,
    peer: &str,
    lines: &[(&'static str, &'static str)],
) -> (String, bool) {
    let peer = Peer {
        address: peer.parse().unwrap(),
        is_encrypted: false,
    };
    let client = proxies(header).client(peer, &headers(lines));
    (client.address.to_string(), client.is_secure)
}

#[test]
fn nobody_is_believed_who_is_no_proxy() {
    let lines = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=1.2.3.4;proto=https"),
    ];
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        assert_eq!(said(header, "9.9.9.9", &lines), ("9.9.9.9".into(), false));
    }
}

#[test]
fn the_rightmost_hop_that_is_no_proxy_is_the_client() {
    for (value, expected) in [
        ("1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.1.1.1", "1.2.3.4"),
        ("1.2.3.4:5678", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:80, fd00::2", "2001:db8::1"),
        ("10.2.2.2, 10.3.3.3", "10.2.2.2"),
        ("1.2.3.4, unknown", PROXY),
        ("1.2.3.4, 10.9.9.9, junk, 10.8.8.8", "10.8.8.8"),
        ("", PROXY),
        ("1.2.3.4,", PROXY),
    ] {
        let lines = [("x-forwarded-for", value)];
        let (address, _) = said(ForwardedHeader::XForwardedFor, PROXY, &lines);
        assert_eq!(address, expected, "{value:?}");
    }
}

#[test]
fn the_last_line_was_written_last() {
    let lines = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-proto", "http, https"),
    ];

    let client = said(ForwardedHeader::XForwardedFor, PROXY, &lines);

    assert_eq!(client, ("1.2.3.4".into(), true));
}

#[test]
fn only_the_header_of_the_configuration_is_read() {
    let lines = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=6.6.6.6, for=1.2.3.4;proto=http"),
    ];

    let client = said(ForwardedHeader::Forwarded, PROXY, &lines);

    assert_eq!(client, ("1.2.3.4".into(), false));
}

#[test]
fn forwarded_elements_are_read_in_every_form() {
    for (value, expected) in [
        ("for=1.2.3.4;proto=https", ("1.2.3.4", true)),
        (
            "For=\"[2001:db8::1]:4711\" ; Proto=HTTPS",
            ("2001:db8::1", true),
        ),
        (
            "for=1.2.3.4;by=10.0.0.2;host=x;proto=http, for=10.0.0.7;proto=https",
            ("1.2.3.4", false),
        ),
        ("for=_hidden;proto=https", (PROXY, false)),
        ("proto=https", (PROXY, false)),
        ("for=\"1.2.3.4, for=5.5.5.5\"", (PROXY, false)),
    ] {
        let (address, is_secure) = said(ForwardedHeader::Forwarded, PROXY, &[("forwarded", value)]);
        assert_eq!((address.as_str(), is_secure), expected, "{value}");
    }
}
