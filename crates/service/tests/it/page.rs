//! Page tokens: opaque, bound to their filter, refused when changed.

use serde::{Deserialize, Serialize};
use tradepost_service::error::ErrorDetails;
use tradepost_service::page::PageRequest;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    created: i64,
    id: String,
}

fn key(row: &i64) -> Key {
    Key {
        created: *row,
        id: format!("order_{row}"),
    }
}

fn parse(size: i32, token: &str, filter: &[u8]) -> Result<PageRequest<Key>, String> {
    PageRequest::parse(size, token, filter)
        .map_err(|status| ErrorDetails::from_status(&status).reason)
}

#[test]
fn a_list_is_walked_to_its_end() {
    let rows: Vec<i64> = (0..7).collect();
    let mut token = String::new();
    let mut seen = Vec::new();

    loop {
        let request = parse(3, &token, b"state=NEW").expect("the token is ours");
        let start = request.after.as_ref().map_or(0, |key| key.created + 1);
        let limit = usize::try_from(request.limit()).expect("it is positive");
        let found = rows
            .iter()
            .copied()
            .filter(|row| *row >= start)
            .take(limit)
            .collect();
        let page = request.page(found, key);
        seen.extend(page.items);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }

    assert_eq!(seen, rows);
}

#[test]
fn a_short_page_leads_on_from_its_last_row() {
    let request = parse(3, "", b"filter").expect("no token");

    let short = request.short(vec![1, 2], key);
    let next = parse(3, &short.next_page_token, b"filter").expect("the token is ours");

    assert_eq!(short.items, [1, 2]);
    assert_eq!(next.after, Some(key(&2)));
    assert_eq!(request.short(Vec::new(), key).next_page_token, "");
}

#[test]
fn a_token_that_was_changed_anywhere_is_refused() {
    let request = parse(1, "", b"filter").expect("no token");
    let token = request.page(vec![1, 2], key).next_page_token;

    for position in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[position] = if changed[position] == b'A' {
            b'B'
        } else {
            b'A'
        };
        let changed = String::from_utf8(changed).expect("it is ASCII");
        let refused = parse(1, &changed, b"filter").map(|request| request.after);
        assert_eq!(refused, Err("PAGE_TOKEN_INVALID".to_owned()), "{changed}");
    }
}

#[test]
fn a_token_of_another_filter_or_cut_short_or_made_up_is_refused() {
    let token = parse(1, "", b"a")
        .expect("no token")
        .page(vec![1, 2], key)
        .next_page_token;

    let huge = "A".repeat(5000);
    for (token, filter) in [
        (token.as_str(), b"b"),
        (&token[..token.len() - 4], b"a"),
        ("AAAA", b"a"),
        ("not base64!", b"a"),
        (&huge, b"a"),
    ] {
        let refused = parse(1, token, filter).map(|request| request.after);
        assert_eq!(refused, Err("PAGE_TOKEN_INVALID".to_owned()));
    }
}

#[test]
fn sizes_are_defaulted_capped_or_refused() {
    assert_eq!(parse(0, "", b"").expect("the default").size, 50);
    assert_eq!(parse(7, "", b"").expect("a wish").size, 7);
    assert_eq!(parse(100_000, "", b"").expect("cut").size, 500);
    assert_eq!(
        parse(-1, "", b"").map(|request| request.size),
        Err("INVALID_FIELD".to_owned())
    );
}
