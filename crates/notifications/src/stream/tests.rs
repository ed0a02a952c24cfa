use super::*;

#[test]
fn a_stream_is_a_user_or_a_group_and_nothing_else() {
    for text in ["user", "group:staff", "group:a.b_c-9"] {
        let stream: Stream = text.parse().unwrap();
        assert_eq!(stream.to_string(), text);
        let json = serde_json::to_string(&stream).unwrap();
        assert_eq!(serde_json::from_str::<Stream>(&json).unwrap(), stream);
    }
    for (text, error) in [
        ("", NameError::Stream),
        ("User", NameError::Stream),
        ("group", NameError::Stream),
        ("group:", NameError::Group),
        ("group:Staff", NameError::Group),
        ("group:a b", NameError::Group),
    ] {
        assert_eq!(text.parse::<Stream>().unwrap_err(), error, "{text:?}");
    }
}

#[test]
fn names_have_their_bounds() {
    assert!("ä".repeat(USER_CHARS_MAX).parse::<UserName>().is_ok());
    assert!("ä".repeat(USER_CHARS_MAX + 1).parse::<UserName>().is_err());
    assert!("".parse::<UserName>().is_err());
    assert!("a\nb".parse::<UserName>().is_err());
    assert!("a".repeat(GROUP_CHARS_MAX).parse::<GroupName>().is_ok());
    assert!(
        "a".repeat(GROUP_CHARS_MAX + 1)
            .parse::<GroupName>()
            .is_err()
    );
}

#[test]
fn a_position_has_its_two_members_and_no_other() {
    let position: Position = serde_json::from_str(r#"{"epoch":"one","seq":7}"#).unwrap();

    assert_eq!((&*position.epoch.0, position.seq), ("one", 7));
    for text in [
        r#"{"epoch":"one"}"#,
        r#"{"epoch":"one","seq":-1}"#,
        r#"{"epoch":"one","seq":1,"more":0}"#,
    ] {
        assert!(serde_json::from_str::<Position>(text).is_err(), "{text}");
    }
}
