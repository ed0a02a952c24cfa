//! Where the people who are told read e-mail, and what was mailed to them. Their ids are those that
//! notifications are sent to, e.g. a customer's reference: whoever has one need be no user of ours.

mod body;

use axum::Json;
use axum::http::StatusCode;
use tradepost_proto::notification::v1 as pb;
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
use body::{Email, EmailAddress, EmailFilter, EmailPage, NewEmailAddress};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(get_address, put_address, remove_address))
        .routes(routes!(list_emails))
        .routes(routes!(resend))
}

/// Read where somebody reads e-mail
#[utoipa::path(
    get,
    path = "/v1/notification-recipients/{user_id}/email-address",
    operation_id = "get_recipient_email_address",
    tag = "notifications",
    params(("user_id" = String, Path,
        description = "Who is told: a user's id, or what orders call `customer_ref`",
        example = "c-1001")),
    responses((status = 200, description = "Where", body = EmailAddress))
)]
async fn get_address(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(user_id): Named,
) -> Result<Json<EmailAddress>, Problem> {
    let request = pb::GetAddressRequest { user_id };
    let found = services.notifications()?.address(request).await?;
    EmailAddress::try_from(present(found.email_address)?).map(Json)
}

/// Say where somebody reads e-mail
///
/// They are mailed what their preferences want mailed. What waits goes to the new address. It is not the
/// address that a user logs in with, and is not verified.
#[utoipa::path(
    put,
    path = "/v1/notification-recipients/{user_id}/email-address",
    operation_id = "put_recipient_email_address",
    tag = "notifications",
    params(("user_id" = String, Path,
        description = "Who is told: a user's id, or what orders call `customer_ref`",
        example = "c-1001")),
    request_body = NewEmailAddress,
    responses((status = 200, description = "Where", body = EmailAddress))
)]
async fn put_address(
    Asking(services): Asking,
    Named(user_id): Named,
    StrictJson(address): StrictJson<NewEmailAddress>,
) -> Result<Json<EmailAddress>, Problem> {
    let request = address.into_request(user_id);
    let put = services.notifications()?.put_address(request).await?;
    EmailAddress::try_from(present(put.email_address)?).map(Json)
}

/// Forget where somebody reads e-mail
///
/// What waits for the address is not sent.
#[utoipa::path(
    delete,
    path = "/v1/notification-recipients/{user_id}/email-address",
    operation_id = "remove_recipient_email_address",
    tag = "notifications",
    params(("user_id" = String, Path,
        description = "Who is told: a user's id, or what orders call `customer_ref`",
        example = "c-1001")),
    responses((status = 204, description = "It is forgotten"))
)]
async fn remove_address(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(user_id): Named,
) -> Result<StatusCode, Problem> {
    let request = pb::DeleteAddressRequest { user_id };
    services.notifications()?.delete_address(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the e-mails to somebody
///
/// What was and is to be mailed to them, the newest first.
#[utoipa::path(
    get,
    path = "/v1/notification-recipients/{user_id}/emails",
    operation_id = "list_recipient_emails",
    tag = "notifications",
    params(
        EmailFilter,
        ("user_id" = String, Path,
            description = "Who is told: a user's id, or what orders call `customer_ref`",
            example = "c-1001"),
    ),
    responses((status = 200, description = "A page of e-mails", body = EmailPage))
)]
async fn list_emails(
    Asking(services): Asking,
    Named(user_id): Named,
    StrictQuery(filter): StrictQuery<EmailFilter>,
) -> Result<Json<EmailPage>, Problem> {
    let request = filter.into_request(user_id);
    let page = services.notifications()?.emails(request).await?;
    EmailPage::try_from(page).map(Json)
}

/// Send an e-mail again
///
/// From its first attempt on, whatever became of it.
#[utoipa::path(
    post,
    path = "/v1/emails/{email_id}/resend",
    operation_id = "resend_email",
    tag = "notifications",
    params(
        IdempotencyKey,
        ("email_id" = String, Path, description = "The e-mail's id",
            example = "eml_01h455vb4pex5vsknk084sn02q"),
    ),
    responses((status = 202, description = "It is on its way", body = Email))
)]
async fn resend(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(email_id): Named,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<Email>), Problem> {
    let request = pb::ResendEmailRequest {
        request_id: key.key,
        email_id,
    };
    let resent = services.notifications()?.resend_email(request).await?;
    let email = Email::try_from(present(resent.email)?)?;
    Ok((StatusCode::ACCEPTED, Json(email)))
}
