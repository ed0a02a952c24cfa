//! The catalogue and its stock.

mod body;

use axum::Json;
use axum::http::StatusCode;
use tradepost_proto::inventory::v1 as pb;
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
use body::{
    Item, ItemFilter, ItemPage, MovementFilter, MovementPage, NewItem, NewMovement, Recorded,
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(get, put))
        .routes(routes!(record_movement, list_movements))
}

/// Create or replace an item
///
/// The stock is not touched. The currency of an item cannot change.
#[utoipa::path(
    put,
    path = "/v1/items/{sku}",
    operation_id = "put_item",
    tag = "items",
    params(
        IdempotencyKey,
        ("sku" = String, Path, description = "The SKU, percent-encoded", min_length = 1,
            max_length = 64, example = "85123A"),
    ),
    request_body = NewItem,
    responses(
        (status = 201, description = "The item was created", body = Item),
        (status = 200, description = "The item was replaced", body = Item),
    )
)]
async fn put(
    Asking(services): Asking,
    Named(sku): Named,
    key: IdempotencyKey,
    StrictJson(item): StrictJson<NewItem>,
) -> Result<(StatusCode, Json<Item>), Problem> {
    let request = item.into_request(key.key, sku);
    let stored = services.inventory().put_item(request).await?;
    let status = if stored.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(Item::try_from(present(stored.item)?)?)))
}

/// Read an item
#[utoipa::path(
    get,
    path = "/v1/items/{sku}",
    operation_id = "get_item",
    tag = "items",
    params(("sku" = String, Path, description = "The SKU, percent-encoded", min_length = 1,
        max_length = 64, example = "85123A")),
    responses((status = 200, description = "The item with its stock", body = Item))
)]
async fn get(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(sku): Named,
) -> Result<Json<Item>, Problem> {
    let request = pb::GetItemRequest { sku };
    let found = services.inventory().get_item(request).await?;
    Item::try_from(present(found.item)?).map(Json)
}

/// List items
///
/// In SKU order.
#[utoipa::path(
    get,
    path = "/v1/items",
    operation_id = "list_items",
    tag = "items",
    params(ItemFilter),
    responses((status = 200, description = "A page of items", body = ItemPage))
)]
async fn list(
    Asking(services): Asking,
    StrictQuery(filter): StrictQuery<ItemFilter>,
) -> Result<Json<ItemPage>, Problem> {
    let page = services.inventory().list_items(filter.into()).await?;
    ItemPage::try_from(page).map(Json)
}

/// Record a change of stock
///
/// Goods received, a corrected count, or a write-off.
#[utoipa::path(
    post,
    path = "/v1/items/{sku}/stock-movements",
    operation_id = "record_stock_movement",
    tag = "items",
    params(
        IdempotencyKey,
        ("sku" = String, Path, description = "The SKU, percent-encoded", min_length = 1,
            max_length = 64, example = "85123A"),
    ),
    request_body = NewMovement,
    responses((status = 201, description = "The movement and the stock after it", body = Recorded))
)]
async fn record_movement(
    Asking(services): Asking,
    Named(sku): Named,
    key: IdempotencyKey,
    StrictJson(movement): StrictJson<NewMovement>,
) -> Result<(StatusCode, Json<Recorded>), Problem> {
    let request = movement.into_request(key.key, sku);
    let recorded = services.inventory().record_movement(request).await?;
    Ok((StatusCode::CREATED, Json(Recorded::try_from(recorded)?)))
}

/// List an item's changes of stock
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/v1/items/{sku}/stock-movements",
    operation_id = "list_stock_movements",
    tag = "items",
    params(
        MovementFilter,
        ("sku" = String, Path, description = "The SKU, percent-encoded", min_length = 1,
            max_length = 64, example = "85123A"),
    ),
    responses((status = 200, description = "A page of movements", body = MovementPage))
)]
async fn list_movements(
    Asking(services): Asking,
    Named(sku): Named,
    StrictQuery(filter): StrictQuery<MovementFilter>,
) -> Result<Json<MovementPage>, Problem> {
    let request = filter.into_request(sku);
    let page = services.inventory().list_movements(request).await?;
    MovementPage::try_from(page).map(Json)
}
