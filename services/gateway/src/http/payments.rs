//! Payments and refunds.

mod body;

use axum::Json;
use axum::http::StatusCode;
use tradepost_proto::payment::v1 as pb;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::idempotency::IdempotencyKey;
use super::path::Named;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::values::present;
use body::{NewRefund, Payment, Refund};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(get))
        .routes(routes!(refund))
}

/// Read a payment
///
/// With its refunds.
#[utoipa::path(
    get,
    path = "/v1/payments/{payment_id}",
    operation_id = "get_payment",
    tag = "payments",
    params(("payment_id" = String, Path, description = "The payment's id",
        example = "payment_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The payment", body = Payment))
)]
async fn get(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(payment_id): Named,
) -> Result<Json<Payment>, Problem> {
    let request = pb::GetPaymentRequest { payment_id };
    let found = services.payments().get(request).await?;
    Payment::try_from(present(found.payment)?).map(Json)
}

/// Give money back
///
/// The refund is accepted and then goes its way; `GET` of the payment tells how it went. Without
/// an amount, all that can still be refunded is.
#[utoipa::path(
    post,
    path = "/v1/payments/{payment_id}/refunds",
    operation_id = "create_refund",
    tag = "payments",
    params(
        IdempotencyKey,
        ("payment_id" = String, Path, description = "The payment's id",
            example = "payment_01h455vb4pex5vsknk084sn02q"),
    ),
    request_body = NewRefund,
    responses((status = 201, description = "The refund as it was accepted", body = Refund))
)]
async fn refund(
    Asking(services): Asking,
    Named(payment_id): Named,
    key: IdempotencyKey,
    StrictJson(refund): StrictJson<NewRefund>,
) -> Result<(StatusCode, Json<Refund>), Problem> {
    let request = refund.into_request(key.key, payment_id);
    let created = services.payments().refund(request).await?;
    let refund = Refund::try_from(present(created.refund)?)?;
    Ok((StatusCode::CREATED, Json(refund)))
}
