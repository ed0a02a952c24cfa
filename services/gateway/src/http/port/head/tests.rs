//! What is a head, and what is none.

use super::*;

const START: &str = "GET /v1/orders HTTP/1.1\r\nHost: a\r\n";

fn of(headers: &str) -> Result<Head, HeadFault> {
    read(format!("{START}{headers}\r\n").as_bytes())
}

fn framing(headers: &str) -> Framing {
    match of(headers) {
        Ok(Head::Whole(_, framing)) => framing,
        other => panic!("{headers:?}: {other:?}"),
    }
}

fn is_malformed(bytes: impl AsRef<[u8]>) -> bool {
    matches!(read(bytes.as_ref()), Err(HeadFault::Malformed(_)))
}

#[test]
fn a_whole_head_says_where_it_ends_and_how_its_body_does() {
    let bytes = format!("{START}\r\nGET /next");
    let length = bytes.len() - "GET /next".len();

    assert_eq!(
        read(bytes.as_bytes()),
        Ok(Head::Whole(length, Framing::Length(0)))
    );
    assert_eq!(framing("Content-Length: 12\r\n"), Framing::Length(12));
    assert_eq!(framing("Content-Length:0012 \r\n"), Framing::Length(12));
    assert_eq!(
        framing("transfer-ENCODING:\tChunked \r\n"),
        Framing::Chunked
    );
    assert_eq!(
        framing("X-Empty:\r\nX-Text: caf\u{e9}, \t!\r\n"),
        Framing::Length(0)
    );
}

#[test]
fn a_head_that_is_not_whole_is_waited_for_wherever_it_is_cut() {
    let bytes = format!("{START}Content-Length: 3\r\n\r\n");
    for length in 0..bytes.len() {
        assert_eq!(
            read(&bytes.as_bytes()[..length]),
            Ok(Head::Partial),
            "{length}"
        );
    }
}

#[test]
fn a_length_that_is_said_in_two_ways_is_none() {
    for headers in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding:\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 3 3\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
    ] {
        assert!(is_malformed(format!("{START}{headers}\r\n")), "{headers:?}");
    }
    assert!(is_malformed(
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
}

#[test]
fn a_header_has_one_form() {
    for line in [
        " folded",
        "\tfolded",
        "Name : value",
        "Na me: value",
        ": value",
        "no colon",
        "Name: a\rb",
        "Name: a\0b",
        "Name: a\x7fb",
        "N\u{e4}me: value",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
    ] {
        assert!(is_malformed(format!("{START}{line}\r\n\r\n")), "{line:?}");
    }
}

#[test]
fn a_line_ends_in_one_way() {
    assert!(is_malformed("GET / HTTP/1.1\nHost: a\r\n\r\n"));
    assert!(is_malformed("GET / HTTP/1.1\r\nHost: a\n\r\n"));
    assert!(is_malformed("GET / HTTP/1.1\r\nHost: a\r\n\n"));
    assert!(is_malformed("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"));
    assert!(is_malformed("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
}

#[test]
fn there_is_one_host() {
    assert!(is_malformed("GET / HTTP/1.1\r\n\r\n"));
    assert!(is_malformed("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"));
    assert!(read(b"GET / HTTP/1.0\r\n\r\n").is_ok());
}

#[test]
fn a_request_line_has_three_words() {
    for line in [
        "GET",
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / x HTTP/1.1",
        "GET\t/ HTTP/1.1",
        " / HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET /#a HTTP/1.1",
        "GET /a\\b HTTP/1.1",
        "GET /{a} HTTP/1.1",
        "GET /caf\u{e9} HTTP/1.1",
        "GET / http/1.1",
        "CONNECT a:80 HTTP/1.1",
        "AVERYVERYVERYVERYVERYVERYLONGMETHOD / HTTP/1.1",
        "\u{16}\u{3}\u{1}",
    ] {
        assert!(
            is_malformed(format!("{line}\r\nHost: a\r\n\r\n")),
            "{line:?}"
        );
    }
    for version in ["HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/1.1x"] {
        let bytes = format!("GET / {version}\r\n\r\n");
        assert_eq!(read(bytes.as_bytes()), Err(HeadFault::Version), "{version}");
    }
}

#[test]
fn a_head_has_its_size() {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\n", "a".repeat(length - 1));
    let most = "A: b\r\n".repeat(HEADERS_MAX - 1);
    let filler = |length: usize| format!("A: {}\r\n", "b".repeat(length - 5));
    let left = BYTES_MAX - START.len() - 2;

    assert_eq!(read(target(8 * 1024).as_bytes()), Ok(Head::Partial));
    assert_eq!(
        read(target(8 * 1024 + 1).as_bytes()),
        Err(HeadFault::TargetTooLong)
    );
    assert_eq!(
        read("a".repeat(9_000).as_bytes()),
        Err(HeadFault::TargetTooLong)
    );
    assert!(of(&most).is_ok());
    assert_eq!(of(&format!("{most}A: b\r\n")), Err(HeadFault::TooLarge));
    assert!(of(&filler(left)).is_ok());
    assert_eq!(of(&filler(left + 1)), Err(HeadFault::TooLarge));
    let endless = format!("{START}A: {}", "b".repeat(BYTES_MAX));
    assert_eq!(read(endless.as_bytes()), Err(HeadFault::TooLarge));
}

proptest::proptest! {
    /// What passes here is never more than the HTTP library's own reader takes.
    #[test]
    fn whatever_the_bytes_no_reader_panics(bytes: Vec<u8>) {
        let _ = read(&bytes);
        let _ = read(&[START.as_bytes(), &bytes].concat());
    }
}
