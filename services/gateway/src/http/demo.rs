//! A page that shows notifications live: what a shop's page would do, in little. It is part of the
//! binary, needs no build step, and loads nothing from elsewhere.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;

use super::router::Shared;

/// What it is made of: path, type, content.
const PARTS: [(&str, &str, &str); 6] = [
    (
        "/demo",
        "text/html; charset=utf-8",
        include_str!("../../assets/demo/index.html"),
    ),
    (
        "/demo/demo.css",
        "text/css; charset=utf-8",
        include_str!("../../assets/demo/demo.css"),
    ),
    (
        "/demo/demo.js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/demo/demo.js"),
    ),
    // The client that shops take, not one of its own.
    (
        "/demo/client.js",
        "text/javascript; charset=utf-8",
        include_str!("../../../../clients/typescript/src/client.js"),
    ),
    (
        "/demo/events.js",
        "text/javascript; charset=utf-8",
        include_str!("../../../../clients/typescript/src/events.js"),
    ),
    (
        "/demo/way.js",
        "text/javascript; charset=utf-8",
        include_str!("../../../../clients/typescript/src/way.js"),
    ),
];

/// `/demo` and what it loads.
pub(super) fn routes() -> Router<Shared> {
    PARTS.into_iter().fold(Router::new(), |router, part| {
        let (path, kind, content) = part;
        let answer = ([(CONTENT_TYPE, kind)], content);
        router.route(path, get(move || async move { answer }))
    })
}
