//! The error answers in the description of the API: written once, from what an operation takes.

use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{PROBLEM_JSON, ProblemBody};
use crate::domain::routes::{self, Route, Verb, Who};

/// Adds the error answers to every operation, and their schema.
pub(super) fn describe(api: &mut OpenApi) {
    let components = api.components.get_or_insert_default();
    let mut schemas = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut schemas);
    components.schemas.extend(schemas);
    for (path, item) in &mut api.paths.paths {
        for (verb, operation) in operations(item) {
            let mut answers = answers(operation);
            let public = |route: &Route| route.rule.who == Who::Public;
            if !routes::find(verb, path).is_some_and(public) {
                answers.extend(DENIALS);
            }
            if routes::find(verb, path).is_some_and(|route| route.rule.upgrade) {
                answers.push(UPGRADE);
            }
            for (status, description) in answers {
                let response = RefOr::T(problem(description));
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert(response);
            }
            for (status, response) in &mut operation.responses.responses {
                let (true, RefOr::T(response)) = (is_error(status), response) else {
                    continue;
                };
                // One that an operation has named itself says why, and is as all are.
                let whole = problem(&response.description);
                *response = whole;
            }
        }
    }
}

/// What every route answers that is not for everybody.
const DENIALS: [(&str, &str); 2] = [
    (
        "401",
        "Credentials are missing or not good, or a second factor is needed; see `WWW-Authenticate`",
    ),
    ("403", "A permission is missing, or the tenant is suspended"),
];

/// What a route answers to requests that do not turn their connection into a socket.
const UPGRADE: (&str, &str) = (
    "426",
    "This is no WebSocket handshake; see `Upgrade` and `Sec-WebSocket-Version`",
);

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Verb, &mut Operation)> {
    let PathItem {
        get,
        put,
        post,
        patch,
        delete,
        ..
    } = item;
    let operations = [
        (Verb::Get, get),
        (Verb::Put, put),
        (Verb::Post, post),
        (Verb::Patch, patch),
        (Verb::Delete, delete),
    ];
    let given = operations.into_iter();
    given.filter_map(|(verb, operation)| Some((verb, operation.as_mut()?)))
}

/// Which errors an operation can answer.
fn answers(operation: &Operation) -> Vec<(&'static str, &'static str)> {
    let parameters = operation.parameters.iter().flatten();
    let parameters = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    let (mut named, mut keyed, mut signed) = (false, false, false);
    for parameter in parameters {
        named |= parameter.parameter_in == ParameterIn::Path;
        keyed |= parameter.name == "Idempotency-Key";
        signed |= parameter.name == "Stripe-Signature";
    }
    let mut answers = vec![
        ("400", "The request is malformed; `errors` says where"),
        ("429", "Too much at once; see `Retry-After`"),
        ("500", "A fault of ours"),
        ("503", "Not at the moment; see `Retry-After`"),
        (
            "504",
            "No answer in time; what became of the request is unknown",
        ),
    ];
    if signed {
        answers.push(("401", "The signature is missing, wrong or too old"));
    }
    if named {
        answers.push(("404", "There is nothing of this name"));
    }
    if keyed {
        answers.push((
            "409",
            "The present state forbids it, or a twin of the request runs",
        ));
        answers.push((
            "422",
            "`REQUEST_ID_REUSED`: the key was used for another request",
        ));
    }
    if operation.request_body.is_some() {
        answers.push(("408", "The body did not arrive in time"));
        answers.push(("413", "The body is too large"));
    }
    if operation.request_body.is_some() && !signed {
        answers.push(("415", "The body is not JSON in UTF-8"));
    }
    answers
}

fn is_error(status: &str) -> bool {
    status.starts_with('4') || status.starts_with('5')
}

fn problem(description: &str) -> Response {
    let schema = Ref::from_schema_name(ProblemBody::name());
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_JSON, Content::new(Some(schema)))
        .build()
}
