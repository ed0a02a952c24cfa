use super::*;

fn text(told: &Told) -> String {
    String::from_utf8(told.text().to_vec()).unwrap()
}

#[test]
fn what_the_server_says_is_what_the_page_says() {
    for message in [
        r#"{"t":"welcome","epoch":"e1","heartbeat_ms":25000,"streams":{"user":{"seq":42,"read":40,"recovered":true},"group:ops":{"seq":3,"read":0}}}"#,
        r#"{"t":"notification","stream":"user","seq":42,"id":"ntf_1","time":"2026-01-02T03:04:05.678Z","type":"order.shipped","title":"t","message":"m","data":{"b":1,"a":2}}"#,
        r#"{"t":"signal","id":"ntf_1","type":"typing","title":"t","message":"","data":{}}"#,
        r#"{"t":"tops","streams":{"user":42,"group:staff":9}}"#,
        r#"{"t":"read","streams":{"user":42}}"#,
        r#"{"t":"joined","stream":"group:ops","seq":17}"#,
        r#"{"t":"left","stream":"group:ops"}"#,
        r#"{"t":"reconnect","after_ms":4180}"#,
        r#"{"t":"pong"}"#,
        r#"{"t":"refreshed","expires_at":"2026-01-02T03:04:05Z"}"#,
    ] {
        assert_eq!(text(&Told::parse(message).unwrap()), message);
    }
}

#[test]
fn a_client_ignores_what_it_does_not_know() {
    let unknown = Told::parse(r#"{"t":"later","x":1}"#).unwrap_err();
    assert!(matches!(unknown, UnreadMessage::Unknown), "{unknown}");
    let more = r#"{"t":"left","stream":"user","later":1}"#;
    assert!(matches!(Told::parse(more), Ok(Told::Left(_))));
    for text in ["", "{}", r#"{"t":"left"}"#, "[]"] {
        let error = Told::parse(text).unwrap_err();
        assert!(
            matches!(error, UnreadMessage::Malformed(_)),
            "{text}: {error}"
        );
    }
}

#[test]
fn what_a_client_says_is_what_the_page_says() {
    for message in [
        r#"{"t":"hello"}"#,
        r#"{"t":"hello","positions":{"user":{"epoch":"e1","seq":41}}}"#,
        r#"{"t":"hello","token":"abc"}"#,
        r#"{"t":"hello","ticket":"abc"}"#,
        r#"{"t":"refresh","token":"abc"}"#,
        r#"{"t":"ack","streams":{"user":42}}"#,
        r#"{"t":"ack","streams":{"user":42},"held_ms":730}"#,
        r#"{"t":"read","streams":{"group:staff":7}}"#,
        r#"{"t":"ping"}"#,
    ] {
        let said: Said = serde_json::from_str(message).unwrap();
        assert_eq!(serde_json::to_string(&said).unwrap(), message);
    }
}

#[test]
fn the_server_refuses_what_it_does_not_know() {
    for text in [
        r#"{"t":"later"}"#,
        r#"{"t":"hello","later":1}"#,
        r#"{"t":"hello","positions":{"nobody":{"epoch":"e1","seq":1}}}"#,
        r#"{"t":"hello","positions":{"user":{"epoch":"e1","seq":1.5}}}"#,
        r#"{"t":"ack"}"#,
        r#"{"t":"refresh"}"#,
        r#"{"t":"refresh","ticket":"abc"}"#,
        r#"{"t":"ack","streams":{"user":-1}}"#,
        r#"{"t":"ack","streams":{"user":1},"held_ms":-1}"#,
        r#"{}"#,
    ] {
        assert!(serde_json::from_str::<Said>(text).is_err(), "{text}");
    }
}

#[test]
fn the_largest_notification_is_within_the_largest_message() {
    use crate::content::{DATA_BYTES_MAX, MESSAGE_CHARS_MAX, TITLE_CHARS_MAX, TYPE_CHARS_MAX};
    // The character that takes most room as JSON: six bytes.
    let widest = "\u{1}";
    let message = widest.repeat(MESSAGE_CHARS_MAX);
    let title = "\u{10ffff}".repeat(TITLE_CHARS_MAX);
    let data = format!(r#"{{"a":"{}"}}"#, "a".repeat(DATA_BYTES_MAX - 8));
    let content = Content::new("a".repeat(TYPE_CHARS_MAX), title, message, &data).unwrap();
    let group = "a".repeat(crate::stream::GROUP_CHARS_MAX);
    let place = (Stream::Group(group.parse().unwrap()), u64::MAX);
    let told = Notification::new(
        place,
        NotificationId::new(),
        OffsetDateTime::UNIX_EPOCH,
        content,
    );

    assert!(Told::Notification(Box::new(told)).text().len() < MESSAGE_BYTES_MAX);
}

#[test]
fn a_message_never_shows_its_secret() {
    for text in [
        r#"{"t":"hello","token":"hidden"}"#,
        r#"{"t":"hello","ticket":"hidden"}"#,
        r#"{"t":"refresh","token":"hidden"}"#,
    ] {
        let said: Said = serde_json::from_str(text).unwrap();
        assert!(!format!("{said:?} {said:#?}").contains("hidden"), "{text}");
    }
}

#[test]
fn only_what_must_not_interrupt_says_that_it_is_silent() {
    let loud = r#"{"t":"notification","stream":"user","seq":1,"id":"ntf_1",
        "time":"2026-01-02T03:04:05Z","type":"a","title":"t","message":"","data":{}}"#;
    let Told::Notification(mut told) = Told::parse(loud).unwrap() else {
        panic!("no notification");
    };

    assert!(!told.silent);
    let text = Told::Notification(told.clone()).text();
    assert!(!std::str::from_utf8(&text).unwrap().contains("silent"));
    told.silent = true;
    let text = Told::Notification(told).text();
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.ends_with(r#""silent":true}"#), "{text}");
    assert!(matches!(Told::parse(text), Ok(Told::Notification(told)) if told.silent));
}
