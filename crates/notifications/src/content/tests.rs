use super::*;

fn content(kind: &str, title: &str, message: &str, data: &str) -> Result<String, ContentError> {
    let content = Content::new(kind.to_owned(), title.to_owned(), message.to_owned(), data);
    content.map(|content| content.data.get().to_owned())
}

#[test]
fn what_is_within_its_bounds_is_taken_as_it_is() {
    let (kind, title) = ("a".repeat(TYPE_CHARS_MAX), "ü".repeat(TITLE_CHARS_MAX));
    let message = "ü".repeat(MESSAGE_CHARS_MAX);

    assert_eq!(content(&kind, &title, &message, "").unwrap(), "{}");
    assert_eq!(
        content("a", "b", "", " {\"n\": 1e3}\n").unwrap(),
        "{\"n\": 1e3}"
    );
}

#[test]
fn the_part_that_is_out_of_its_bounds_is_named() {
    let long = |chars| "a".repeat(chars + 1);
    let data = format!(r#"{{"a":"{}"}}"#, "a".repeat(DATA_BYTES_MAX));
    for (kind, title, message, data, error) in [
        ("", "t", "", "", ContentError::Type),
        ("Order", "t", "", "", ContentError::Type),
        (&*long(TYPE_CHARS_MAX), "t", "", "", ContentError::Type),
        ("a", "", "", "", ContentError::Title),
        ("a", "two\nlines", "", "", ContentError::Title),
        ("a", &*long(TITLE_CHARS_MAX), "", "", ContentError::Title),
        ("a", "t", "\0", "", ContentError::Message),
        (
            "a",
            "t",
            &*long(MESSAGE_CHARS_MAX),
            "",
            ContentError::Message,
        ),
        ("a", "t", "", "[]", ContentError::Data),
        ("a", "t", "", "{", ContentError::Data),
        ("a", "t", "", r#"{"a":"\u0000"}"#, ContentError::Data),
        ("a", "t", "", &*data, ContentError::Data),
    ] {
        assert_eq!(content(kind, title, message, data).unwrap_err(), error);
    }
}
