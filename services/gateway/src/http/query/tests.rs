//! Every fault of a query and its parameter.

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    state: Vec<State>,
    #[serde(default)]
    prefix: String,
    size: Option<i32>,
    #[serde(default)]
    only: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    Open,
    Closed,
}

fn taken(query: &str) -> Filter {
    read(query).and_then(Filter::deserialize).unwrap()
}

fn fault(query: &str) -> (String, String) {
    let fault = read(query).and_then(Filter::deserialize).unwrap_err();
    (fault.parameter().to_owned(), fault.detail)
}

#[test]
fn a_proper_query_is_taken() {
    let expected = Filter {
        state: vec![State::Open, State::Closed],
        prefix: "a b/ü+".to_owned(),
        size: Some(-3),
        only: true,
    };

    assert_eq!(
        taken("state=OPEN&size=-3&only=true&prefix=a+b%2F%C3%BC%2b&state=CLOSED"),
        expected
    );
    assert_eq!(taken(""), Filter::default());
    assert_eq!(taken("&&prefix=&only=false"), Filter::default());
    assert_eq!(taken("prefix").prefix, "");
}

#[test]
fn each_wrong_parameter_is_named() {
    for (query, parameter, detail) in [
        (
            "colour=red",
            "colour",
            "is not known here; known: state, prefix, size, only",
        ),
        ("size=x", "size", "must be an integer of 32 bits"),
        ("size=", "size", "must be an integer of 32 bits"),
        ("size=2147483648", "size", "must be an integer of 32 bits"),
        ("size=1&size=1", "size", "must not be given twice"),
        ("only=1", "only", "must be true or false"),
        ("only=true&only=true", "only", "must not be given twice"),
        ("prefix=a&prefix=b", "prefix", "must not be given twice"),
        (
            "state=OPEN&state=open",
            "state",
            "must be one of OPEN, CLOSED",
        ),
        ("state=", "state", "must be one of OPEN, CLOSED"),
        ("prefix=%", "prefix", "is not percent-encoded UTF-8"),
        ("prefix=%4", "prefix", "is not percent-encoded UTF-8"),
        ("prefix=%+1", "prefix", "is not percent-encoded UTF-8"),
        ("prefix=%FF", "prefix", "is not percent-encoded UTF-8"),
        ("%FF=1", "", "is not percent-encoded UTF-8"),
    ] {
        assert_eq!(
            fault(query),
            (parameter.to_owned(), detail.to_owned()),
            "{query}"
        );
    }
}
