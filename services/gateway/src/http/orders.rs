//! Orders.

mod body;
mod wait;

use axum::Json;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tradepost_proto::order::v1 as pb;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::caller::By;
use super::idempotency::{IdempotencyKey, REPLAYED};
use super::path::Named;
use super::prefer::Prefer;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::values::present;
use crate::domain::rights::Permission;
use body::{Cancellation, NewOrder, Order, OrderFilter, OrderPage, Timeline};
use wait::Room;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(place, list))
        .routes(routes!(get))
        .routes(routes!(cancel))
        .routes(routes!(timeline))
}

/// Place an order
///
/// When it is answered, the order is durable and goes its way: the stock is reserved, the payment
/// authorised, the parcel booked. With `Prefer: wait=N` the answer tells how that went.
#[utoipa::path(
    post,
    path = "/v1/orders",
    operation_id = "place_order",
    tag = "orders",
    params(IdempotencyKey, Prefer),
    request_body = NewOrder,
    responses(
        (status = 201, description = "The order was accepted", body = Order, headers(
            ("Location" = String, description = "The order's path"),
            ("Preference-Applied" = String, description = "The wait that was granted"),
        )),
        (status = 200, description = "An earlier request with this key placed it", body = Order,
            headers(
                ("Idempotent-Replayed" = String, description = "`true`"),
                ("Preference-Applied" = String, description = "The wait that was granted"),
            )),
    )
)]
async fn place(
    room: Room,
    Asking(services): Asking,
    By(caller): By,
    key: IdempotencyKey,
    StrictJson(order): StrictJson<NewOrder>,
) -> Result<Response, Problem> {
    let orders = services.patient().orders();
    let placed = orders.place(order.into_request(key.key, &caller)?).await?;
    let mut order = present(placed.order)?;
    let mut headers = HeaderMap::new();
    let prefer = room.prefer;
    let may_watch = caller.rights.contain(Permission::OrdersRead);
    if let Some(within) = prefer.wait().filter(|_| may_watch) {
        let granted = room.until_settled(&orders, &mut order, within).await;
        if let (true, Some(applied)) = (granted, prefer.applied()) {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
    }
    let status = if placed.replayed {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    if let Ok(location) = HeaderValue::try_from(format!("/v1/orders/{}", order.order_id)) {
        headers.insert(LOCATION, location);
    }
    Ok((status, headers, Json(Order::try_from(order)?)).into_response())
}

/// List orders
///
/// Newest first, without their lines.
#[utoipa::path(
    get,
    path = "/v1/orders",
    operation_id = "list_orders",
    tag = "orders",
    params(OrderFilter),
    responses((status = 200, description = "A page of orders", body = OrderPage))
)]
async fn list(
    Asking(services): Asking,
    By(caller): By,
    StrictQuery(filter): StrictQuery<OrderFilter>,
) -> Result<Json<OrderPage>, Problem> {
    let page = services
        .orders()
        .list(filter.into_request(&caller)?)
        .await?;
    OrderPage::try_from(page).map(Json)
}

/// Read an order
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}",
    operation_id = "get_order",
    tag = "orders",
    params(("order_id" = String, Path, description = "The order's id",
        example = "order_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The order", body = Order))
)]
async fn get(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(order_id): Named,
) -> Result<Json<Order>, Problem> {
    let request = pb::GetOrderRequest { order_id };
    let found = services.orders().get(request).await?;
    Order::try_from(present(found.order)?).map(Json)
}

/// Ask for an order to be cancelled
///
/// Possible until the carrier has the parcel; money and stock are given back. The answer tells
/// where the order stands, which need not be its end yet. The body may be left out.
#[utoipa::path(
    post,
    path = "/v1/orders/{order_id}/cancel",
    operation_id = "cancel_order",
    tag = "orders",
    params(
        IdempotencyKey,
        ("order_id" = String, Path, description = "The order's id",
            example = "order_01h455vb4pex5vsknk084sn02q"),
    ),
    request_body = Option<Cancellation>,
    responses((status = 200, description = "The wish was taken", body = Order))
)]
async fn cancel(
    Asking(services): Asking,
    Named(order_id): Named,
    key: IdempotencyKey,
    body: Option<StrictJson<Cancellation>>,
) -> Result<Json<Order>, Problem> {
    let note = body.and_then(|StrictJson(Cancellation { note })| note);
    let request = pb::CancelOrderRequest {
        request_id: key.key,
        order_id,
        note: note.unwrap_or_default(),
    };
    let cancelled = services.orders().cancel(request).await?;
    Order::try_from(present(cancelled.order)?).map(Json)
}

/// Read what happened to an order
///
/// Oldest first, and what the order waits for.
#[utoipa::path(
    get,
    path = "/v1/orders/{order_id}/timeline",
    operation_id = "get_order_timeline",
    tag = "orders",
    params(("order_id" = String, Path, description = "The order's id",
        example = "order_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The order's history", body = Timeline))
)]
async fn timeline(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(order_id): Named,
) -> Result<Json<Timeline>, Problem> {
    let request = pb::GetOrderTimelineRequest { order_id };
    let timeline = services.orders().timeline(request).await?;
    Timeline::try_from(timeline).map(Json)
}
