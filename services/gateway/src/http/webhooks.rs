//! What the card provider reports. The payment service checks the signature over the bytes of the
//! body, so they are handed on as they came.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use tradepost_proto::payment::v1 as pb;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body;
use super::problem::Problem;
use super::query;
use super::router::Shared;

/// The largest report that is taken.
const BYTES_MAX: usize = 64 * 1024;
const SIGNATURE: &str = "Stripe-Signature";

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(take))
}

/// Take a report of the card provider
///
/// The body is signed. A report that was taken before is taken again without effect.
#[utoipa::path(
    post,
    path = "/v1/webhooks/payments",
    operation_id = "take_payment_webhook",
    tag = "webhooks",
    params(("Stripe-Signature" = String, Header, description = "The provider's signature")),
    request_body(
        content = Vec<u8>,
        content_type = "application/octet-stream",
        description = "The report, byte for byte as it was signed; at most 64 KiB",
    ),
    responses((status = 204, description = "The report was taken"))
)]
async fn take(State(gateway): State<Shared>, request: Request) -> Result<StatusCode, Problem> {
    query::refuse(request.uri())?;
    let signature = signature(request.headers())?;
    let payload = body::read(request, BYTES_MAX, &gateway).await?;
    let request = pb::HandleProviderWebhookRequest { payload, signature };
    gateway
        .upstreams
        .for_itself()
        .payments()
        .webhook(request)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn signature(headers: &HeaderMap) -> Result<String, Problem> {
    let mut signatures = headers.get_all(SIGNATURE).iter();
    let only = match (signatures.next(), signatures.next()) {
        (Some(only), None) => only.to_str().ok(),
        _ => None,
    };
    only.map(str::to_owned).ok_or_else(|| {
        let detail = "the header Stripe-Signature must be given, once";
        Problem::new(StatusCode::UNAUTHORIZED, "SIGNATURE_INVALID", detail)
            .header(SIGNATURE, "must be given, once")
    })
}
