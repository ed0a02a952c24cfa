//! Tickets: what opens one connection, for pages that can set no header.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::application::TicketFault;
use crate::domain::access::{Denial, Layer};
use crate::domain::caller::{Caller, Verified};
use crate::domain::rights::Permission;
use crate::http::caller::{By, Resting, denied};
use crate::http::problem::Problem;
use crate::http::router::Shared;
use crate::http::strict_json::StrictJson;
use crate::http::values::Time;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(give))
}

/// A wish for a ticket. There is nothing to choose.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTicket {}

/// A ticket.
#[derive(Serialize, ToSchema)]
struct Ticket {
    /// What is shown. It is in this answer and never again.
    #[schema(example = "tpt_0Kx…")]
    ticket: String,
    /// When it runs out.
    expires_at: Time,
}

/// Get a ticket for a connection
///
/// It opens one connection within 30 seconds, here or at the notification service's own address:
/// as the subprotocols `ticket, <ticket>`, as `Authorization: Ticket <ticket>`, or in the first
/// message. The connection then lives as long as the credentials that the ticket was got with.
#[utoipa::path(
    post,
    path = "/v1/notifications/tickets",
    operation_id = "create_notification_ticket",
    tag = "notifications",
    request_body = NewTicket,
    responses((status = 201, description = "The ticket", body = Ticket))
)]
async fn give(
    State(gateway): State<Shared>,
    By(caller): By,
    Resting(basis): Resting,
    StrictJson(NewTicket {}): StrictJson<NewTicket>,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    let caller = Caller::clone(&caller);
    let verified = Verified { caller, basis };
    let ticket = gateway.credentials.tickets.give(&verified).await?;
    let shown = Ticket {
        ticket: ticket.text.expose_secret().to_owned(),
        expires_at: ticket.expires_at.into(),
    };
    Ok((StatusCode::CREATED, Json(shown)))
}

impl From<TicketFault> for Problem {
    fn from(fault: TicketFault) -> Self {
        match fault {
            // The gate asks for a permission that only people of a tenant have.
            TicketFault::NoTenant => denied(&Denial::Missing {
                permission: Permission::NotificationsRead,
                layer: Layer::Role,
            }),
            TicketFault::Store(error) => error.into(),
        }
    }
}
