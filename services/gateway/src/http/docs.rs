//! The description of the API, for programs and for people. Nothing in it comes from elsewhere:
//! the pages are part of the binary.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::router::Shared;

const DOCUMENT: &str = "/openapi.json";

/// `/openapi.json` and `/docs`.
pub(super) fn routes(api: &OpenApi) -> anyhow::Result<Router<Shared>> {
    let document = Bytes::from(api.to_json()?);
    let json = HeaderValue::from_static("application/json");
    let pages = SwaggerUi::new("/docs").config(Config::from(DOCUMENT));
    Ok(Router::new()
        .route(
            DOCUMENT,
            get(move || async move { ([(CONTENT_TYPE, json)], document) }),
        )
        .merge(Router::from(pages)))
}
