//! Every fault of a body and its place.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tree::{Json, VALUES_MAX};
use super::*;
use crate::http::fault::Segment;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parcel {
    sku: String,
    quantity: i64,
    kind: Option<Kind>,
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    n: i32,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    Small,
    Large,
}

fn read(bytes: &[u8]) -> Result<Json, Fault> {
    tree::read(bytes, VALUES_MAX)
}

fn fault(body: &str) -> (String, String) {
    let fault = read(body.as_bytes())
        .and_then(Parcel::deserialize)
        .unwrap_err();
    (fault.pointer(), fault.detail)
}

fn syntax(body: &[u8]) -> (String, String) {
    let fault = read(body).unwrap_err();
    (fault.pointer(), fault.detail)
}

#[test]
fn a_proper_body_is_taken() {
    let body = br#" {"quantity":2, "sku":"a", "kind":"LARGE", "lines":[{"n":-1}]} "#;

    let parcel = read(body).and_then(Parcel::deserialize).unwrap();

    let expected = Parcel {
        sku: "a".to_owned(),
        quantity: 2,
        kind: Some(Kind::Large),
        lines: vec![Line { n: -1 }],
    };
    assert_eq!(parcel, expected);
}

#[test]
fn null_is_as_good_as_absent_where_a_field_is_optional() {
    let parcel = read(br#"{"sku":"a","quantity":1,"kind":null}"#)
        .and_then(Parcel::deserialize)
        .unwrap();

    assert_eq!(parcel.kind, None);
    assert_eq!(fault(r#"{"sku":null,"quantity":1}"#).0, "/sku");
}

/// A body, the place of its fault, and what is wrong there.
const WRONG_FIELDS: &[(&str, &str, &str)] = &[
    (r#"{"sku":"a"}"#, "/quantity", "is required"),
    (
        r#"{"sku":"a","quantity":1,"colour":1}"#,
        "/colour",
        "is not known here; known: sku, quantity, kind, lines",
    ),
    (
        r#"{"sku":1,"quantity":1}"#,
        "/sku",
        "must be a string, not an integer",
    ),
    (
        r#"{"sku":"a","quantity":"1"}"#,
        "/quantity",
        "must be an integer of 64 bits, not a string",
    ),
    (
        r#"{"sku":"a","quantity":1.0}"#,
        "/quantity",
        "must be an integer of 64 bits, not a number with a fraction or an exponent",
    ),
    (
        r#"{"sku":"a","quantity":1e3}"#,
        "/quantity",
        "must be an integer of 64 bits, not a number with a fraction or an exponent",
    ),
    (
        r#"{"sku":"a","quantity":9223372036854775808}"#,
        "/quantity",
        "must be an integer of 64 bits",
    ),
    (
        r#"{"sku":"a","quantity":1,"kind":"HUGE"}"#,
        "/kind",
        "must be one of SMALL, LARGE",
    ),
    (
        r#"{"sku":"a","quantity":1,"kind":{"SMALL":1}}"#,
        "/kind",
        "must be a string, not an object",
    ),
    (
        r#"{"sku":"a","quantity":1,"lines":{}}"#,
        "/lines",
        "must be an array, not an object",
    ),
    (
        r#"{"sku":"a","quantity":1,"lines":[{"n":1},{"n":true}]}"#,
        "/lines/1/n",
        "must be an integer of 32 bits, not a boolean",
    ),
    (
        r#"{"sku":"a","quantity":1,"lines":[{"n":1},{"n":2,"m/~":3}]}"#,
        "/lines/1/m~1~0",
        "is not known here; known: n",
    ),
    (
        r#"{"sku":"a","quantity":1,"lines":[[1]]}"#,
        "/lines/0",
        "must be an object, not an array",
    ),
    (r#"["a",1]"#, "", "must be an object, not an array"),
    ("null", "", "must be an object, not null"),
];

#[test]
fn each_wrong_field_is_named_by_its_place() {
    for &(body, pointer, detail) in WRONG_FIELDS {
        assert_eq!(
            fault(body),
            (pointer.to_owned(), detail.to_owned()),
            "{body}"
        );
    }
}

#[test]
fn a_field_given_twice_is_refused_even_with_the_same_value() {
    let twice = "is given twice".to_owned();

    assert_eq!(
        syntax(br#"{"a":1,"a":1}"#),
        ("/a".to_owned(), twice.clone())
    );
    assert_eq!(
        syntax(br#"{"a":1,"\u0061":1}"#),
        ("/a".to_owned(), twice.clone())
    );
    assert_eq!(
        syntax(br#"[0,{"b":{"c":1,"d":2,"c":3}}]"#),
        ("/1/b/c".to_owned(), twice.clone())
    );
    let many: Vec<_> = (0..100).map(|n| format!(r#""k{n}":0"#)).collect();
    let many = format!("{{{},\"k7\":1}}", many.join(","));
    assert_eq!(syntax(many.as_bytes()), ("/k7".to_owned(), twice));
}

#[test]
fn what_is_not_json_is_refused_where_it_stops_to_be() {
    for (body, pointer) in [
        (&b"{"[..], ""),
        (b"{} {}", ""),
        (b"{}x", ""),
        (b"[1,2,]", "/2"),
        (br#"{"a":[1,}"#, "/a/1"),
        (br#"{"a":tru}"#, "/a"),
        (br#"{"a":01}"#, "/a"),
        (br#"{"a":NaN}"#, "/a"),
        (br#"{"a":1e999}"#, "/a"),
        (br#"{"a":"\ud800"}"#, "/a"),
        (b"{\"a\":\"\n\"}", "/a"),
        (b"\xEF\xBB\xBF{}", ""),
        (b"// hi\n{}", ""),
    ] {
        let (place, detail) = syntax(body);
        assert_eq!(place, pointer, "{}", String::from_utf8_lossy(body));
        assert!(detail.starts_with("is not JSON: "), "{detail}");
    }
}

#[test]
fn an_empty_body_and_one_that_is_not_text_are_told_apart() {
    assert_eq!(syntax(b"").1, "is required");
    assert_eq!(syntax(b"{\"a\":\"\xFF\"}").1, "is not UTF-8 from byte 6 on");
    assert_eq!(syntax(b"\"\xC3\"").1, "is not UTF-8 from byte 1 on");
}

#[test]
fn a_body_may_be_nested_up_to_the_limit() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));

    assert!(read(nested(32).as_bytes()).is_ok());
    let (pointer, detail) = syntax(nested(33).as_bytes());
    assert_eq!(pointer, "/0".repeat(32));
    assert_eq!(detail, "is nested deeper than 32 levels");
    // What would break a reader that recurses first and counts later.
    assert!(read("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn a_body_of_too_many_values_is_refused() {
    let body = format!("[{}0]", "0,".repeat(60_000));

    let (pointer, detail) = syntax(body.as_bytes());

    assert_eq!(pointer, "/49999");
    assert_eq!(detail, "is beyond the 50000 values of a body");
}

#[test]
fn only_json_in_utf8_is_json() {
    for yes in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/json;",
    ] {
        assert!(is_type(yes, "application/json"), "{yes}");
    }
    for no in [
        "",
        "text/plain",
        "application/jsonx",
        "application/problem+json",
        "application/json; charset=latin1",
        "application/json; version=1",
        "application/json, text/plain",
    ] {
        assert!(!is_type(no, "application/json"), "{no}");
    }
}

/// As `serde_json` would have read it.
fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => value.into(),
        Json::Integer(value) => value.into(),
        Json::Large(value) => value.into(),
        Json::Fraction(value) => value.into(),
        Json::Text(value) => value.into(),
        Json::Array(values) => values.into_iter().map(value).collect(),
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(key, field)| (key, value(field)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 2.0)),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_json_is_read_as_it_is_written(written in any_value()) {
        let read = read(written.to_string().as_bytes()).map(value);

        prop_assert_eq!(read, Ok(written));
    }

    #[test]
    fn nothing_is_taken_that_is_not_json(bytes in r#"[\[\]{}:,"a0-9e.\\u \-]{0,24}"#) {
        if let Ok(json) = read(bytes.as_bytes()) {
            let expected: Value = serde_json::from_str(&bytes).unwrap();
            prop_assert_eq!(value(json), expected);
        }
    }

    #[test]
    fn no_bytes_upset_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_fault_is_found_at_its_place(
        steps in prop::collection::vec(prop_oneof![
            "[a-z/~]{1,3}".prop_map(Segment::Key),
            (0_usize..4).prop_map(Segment::Index),
        ], 0..20),
        beside in any_value(),
    ) {
        let mut body = r#"{"k":1,"l":2,"k":1}"#.to_owned();
        for step in steps.iter().rev() {
            body = match step {
                Segment::Key(key) => format!("{{\"{key}\":{body},\"beside\":{beside}}}"),
                Segment::Index(index) => format!("[{}{body}]", "0,".repeat(*index)),
            };
        }
        let end = Fault::new("").under(Segment::Key("k".to_owned()));
        let expected = steps.into_iter().rev().fold(end, Fault::under).pointer();

        prop_assert_eq!(syntax(body.as_bytes()), (expected, "is given twice".to_owned()));
    }
}
