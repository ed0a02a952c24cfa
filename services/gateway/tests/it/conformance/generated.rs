//! Requests made after the description.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::Full;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// One operation of the description.
pub(super) struct Operation<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// The statuses that are described.
    pub(super) answers: BTreeSet<String>,
    document: &'a Value,
    is: &'a Value,
}

/// A request in the making.
#[derive(Debug, Clone)]
pub(super) struct Made {
    method: Method,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

impl Made {
    pub(super) fn build(self) -> Request<Full<Bytes>> {
        let request = Request::builder().method(self.method).uri(self.target);
        let request = self
            .headers
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            });
        request
            .body(Full::from(self.body.unwrap_or_default()))
            .unwrap()
    }
}

pub(super) fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(move |(path, item)| {
        item.as_object()
            .unwrap()
            .iter()
            .map(move |(method, is)| Operation {
                method: method.to_uppercase().parse().unwrap(),
                path,
                answers: is["responses"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .cloned()
                    .collect(),
                document,
                is,
            })
    });
    operations.collect()
}

impl Operation<'_> {
    pub(super) fn requests(&self) -> BoxedStrategy<Made> {
        let (path, method) = (self.path.to_owned(), self.method.clone());
        let target = (self.names(), self.query());
        (target, self.headers(), self.body())
            .prop_map(move |((names, query), mut headers, body)| {
                if body.is_some() {
                    headers.push(("content-type".to_owned(), "application/json".to_owned()));
                }
                let target = names.iter().fold(path.clone(), |path, name| {
                    let (start, end) = (path.find('{').unwrap(), path.find('}').unwrap());
                    format!("{}{}{}", &path[..start], encoded(name), &path[end + 1..])
                });
                Made {
                    method: method.clone(),
                    target: format!("{target}{query}"),
                    headers,
                    body,
                }
            })
            .boxed()
    }

    fn parameters(&self, place: &str) -> Vec<&Value> {
        let parameters = self.is["parameters"].as_array();
        let parameters = parameters.into_iter().flatten();
        parameters
            .filter(|parameter| parameter["in"] == place)
            .collect()
    }

    /// A value for every parameter of the path.
    fn names(&self) -> BoxedStrategy<Vec<String>> {
        let count = self.parameters("path").len();
        vec("[^\\x00-\\x1f\\x7f./]{1,20}", count).boxed()
    }

    /// Any of the parameters, any number of times, and others.
    fn query(&self) -> BoxedStrategy<String> {
        let parameters = self.parameters("query").into_iter().map(|parameter| {
            let name = parameter["name"].as_str().unwrap().to_owned();
            let value = value(self.document, &parameter["schema"], 1).prop_map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            });
            (Just(name), value).boxed()
        });
        let mut pairs: Vec<BoxedStrategy<(String, String)>> = parameters.collect();
        if pairs.is_empty() {
            pairs.push(("[a-z]{1,3}", ".{0,5}").boxed());
        }
        let pairs = proptest::strategy::Union::new(pairs);
        vec(pairs, 0..4)
            .prop_map(|pairs| {
                let pairs: Vec<_> = pairs
                    .iter()
                    .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
                    .collect();
                match pairs.is_empty() {
                    true => String::new(),
                    false => format!("?{}", pairs.join("&")),
                }
            })
            .boxed()
    }

    /// The headers, often.
    fn headers(&self) -> BoxedStrategy<Vec<(String, String)>> {
        let headers: Vec<_> = self
            .parameters("header")
            .into_iter()
            .map(|parameter| {
                let name = parameter["name"].as_str().unwrap().to_owned();
                // A wait would only take time.
                let text = match name.as_str() {
                    "Prefer" => "wait=0",
                    _ => "[!-~]{0,12}",
                };
                option::weighted(0.9, (Just(name), text))
            })
            .collect();
        headers
            .prop_map(|headers| headers.into_iter().flatten().collect())
            .boxed()
    }

    fn body(&self) -> BoxedStrategy<Option<String>> {
        let content = &self.is["requestBody"]["content"];
        match content.get("application/json") {
            Some(media) => {
                let right = value(self.document, &media["schema"], 0);
                let text = prop_oneof![
                    9 => right.prop_map(|value| value.to_string()),
                    1 => ".{0,20}",
                ];
                text.prop_map(Some).boxed()
            }
            None if content.is_object() => ".{0,50}".prop_map(Some).boxed(),
            None => Just(None).boxed(),
        }
    }
}

/// Values of a schema, with something else now and then.
fn value(document: &Value, schema: &Value, depth: usize) -> BoxedStrategy<Value> {
    prop_oneof![14 => right(document, schema, depth), 1 => junk()].boxed()
}

fn right(document: &Value, schema: &Value, depth: usize) -> BoxedStrategy<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document
            .pointer(reference.strip_prefix('#').unwrap())
            .unwrap();
        return right(document, schema, depth);
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let schemas = schemas.iter().map(|schema| right(document, schema, depth));
            return proptest::strategy::Union::new(schemas.collect::<Vec<_>>()).boxed();
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return proptest::sample::select(values.clone()).boxed();
    }
    match kind(schema) {
        "object" => object(document, schema, depth),
        "array" => vec(value(document, &schema["items"], depth + 1), 0..4)
            .prop_map(Value::Array)
            .boxed(),
        "integer" | "number" => prop_oneof![
            3 => (-2_i64..50).boxed(),
            1 => proptest::sample::select(vec![i64::MIN, i64::MAX, i64::from(i32::MAX) + 1]).boxed(),
        ]
        .prop_map(Value::from)
        .boxed(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "null" => Just(Value::Null).boxed(),
        _ => text(schema),
    }
}

fn kind(schema: &Value) -> &str {
    let kind = &schema["type"];
    kind.as_str()
        .or_else(|| kind.as_array().and_then(|kinds| kinds[0].as_str()))
        .unwrap_or("string")
}

fn text(schema: &Value) -> BoxedStrategy<Value> {
    let example = schema["example"].clone();
    let any = ".{0,12}".prop_map(Value::from);
    if !example.is_string() {
        return any.boxed();
    }
    prop_oneof![2 => Just(example), 1 => any].boxed()
}

fn object(document: &Value, schema: &Value, depth: usize) -> BoxedStrategy<Value> {
    let required: Vec<_> = schema["required"].as_array().cloned().unwrap_or_default();
    let fields: Vec<_> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let often = if required.contains(&json!(name)) {
                0.98
            } else {
                0.5
            };
            let value = value(document, schema, depth + 1);
            option::weighted(often, (Just(name.clone()), value)).boxed()
        })
        .collect();
    let other = option::weighted(0.03, (Just("other".to_owned()), junk()));
    (fields, other)
        .prop_map(|(fields, other)| {
            let fields = fields.into_iter().flatten().chain(other);
            Value::Object(fields.collect::<Map<_, _>>())
        })
        .boxed()
}

fn junk() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        Just(json!(1.5)),
        Just(json!("")),
        Just(json!(-1)),
        ".{0,8}".prop_map(Value::from),
    ]
    .boxed()
}

/// Percent-encoded, whatever it is.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
