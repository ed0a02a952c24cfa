//! The gRPC face: parse, call, render.

mod parse;
mod render;
mod status;

use tonic::{Request, Response, Status};
use tradepost_proto::inventory::v1 as pb;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryService;
use tradepost_service::RequestContext;
use tradepost_service::auth::Rule;
use tradepost_service::page::PageRequest;
use uuid::Uuid;

use crate::ports::{Catalogue, Reservations};

/// The domain of this service's errors.
pub(crate) const DOMAIN: &str = "inventory.tradepost";

/// What opens the methods.
pub const RULES: [Rule; 7] = [
    Rule::of_tenant("PutItem", "items:write"),
    Rule::of_tenant("GetItem", "items:read"),
    Rule::of_tenant("BatchGetItems", "items:read"),
    Rule::of_tenant("ListItems", "items:read"),
    Rule::of_tenant("RecordStockMovement", "inventory:adjust"),
    Rule::of_tenant("ListStockMovements", "items:read"),
    Rule::of_tenant("GetReservation", "items:read"),
];

/// The service's calls.
pub struct InventoryApi {
    catalogue: Catalogue,
    reservations: Reservations,
}

impl InventoryApi {
    /// Calls that read and write these stores.
    #[must_use]
    pub const fn new(catalogue: Catalogue, reservations: Reservations) -> Self {
        Self {
            catalogue,
            reservations,
        }
    }
}

#[tonic::async_trait]
impl InventoryService for InventoryApi {
    async fn put_item(
        &self,
        request: Request<pb::PutItemRequest>,
    ) -> Result<Response<pb::PutItemResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, item) = parse::put_item(request.get_ref())?;
        let (item, created) = self
            .catalogue
            .put(tenant, &key, item)
            .await
            .map_err(status::render)?;
        Ok(Response::new(pb::PutItemResponse {
            item: Some(render::item(item)),
            created,
        }))
    }

    async fn get_item(
        &self,
        request: Request<pb::GetItemRequest>,
    ) -> Result<Response<pb::GetItemResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let sku = parse::sku(&request.get_ref().sku)?;
        let found = self
            .catalogue
            .get_many(tenant, &[sku])
            .await
            .map_err(status::render)?;
        let item = found
            .into_iter()
            .next()
            .ok_or_else(status::item_not_found)?;
        Ok(Response::new(pb::GetItemResponse {
            item: Some(render::item(item)),
        }))
    }

    async fn batch_get_items(
        &self,
        request: Request<pb::BatchGetItemsRequest>,
    ) -> Result<Response<pb::BatchGetItemsResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let skus = parse::skus(&request.get_ref().skus)?;
        let items = self
            .catalogue
            .get_many(tenant, &skus)
            .await
            .map_err(status::render)?;
        Ok(Response::new(render::batch(&skus, items)))
    }

    async fn list_items(
        &self,
        request: Request<pb::ListItemsRequest>,
    ) -> Result<Response<pb::ListItemsResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let request = request.into_inner();
        let prefix = parse::sku_prefix(&request.sku_prefix)?;
        let page: PageRequest<String> =
            PageRequest::parse(request.page_size, &request.page_token, prefix.as_bytes())?;
        let after = page.after.as_deref();
        let found = self
            .catalogue
            .list(tenant, prefix, after, page.limit())
            .await;
        let page = page.page(found.map_err(status::render)?, |item| item.sku.to_string());
        Ok(Response::new(pb::ListItemsResponse {
            items: page.items.into_iter().map(render::item).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn record_stock_movement(
        &self,
        request: Request<pb::RecordStockMovementRequest>,
    ) -> Result<Response<pb::RecordStockMovementResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, movement) = parse::movement(request.get_ref())?;
        let (movement, stock) = self
            .catalogue
            .record(tenant, &key, movement)
            .await
            .map_err(status::render)?;
        Ok(Response::new(pb::RecordStockMovementResponse {
            movement: Some(render::movement(movement)),
            stock: Some(render::stock(stock)),
        }))
    }

    async fn list_stock_movements(
        &self,
        request: Request<pb::ListStockMovementsRequest>,
    ) -> Result<Response<pb::ListStockMovementsResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let request = request.into_inner();
        let sku = parse::sku(&request.sku)?;
        let page: PageRequest<Uuid> = PageRequest::parse(
            request.page_size,
            &request.page_token,
            request.sku.as_bytes(),
        )?;
        let found = self
            .catalogue
            .movements(tenant, &sku, page.after, page.limit())
            .await;
        let page = page.page(found.map_err(status::render)?, |movement| {
            movement.id.as_uuid()
        });
        Ok(Response::new(pb::ListStockMovementsResponse {
            movements: page.items.into_iter().map(render::movement).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_reservation(
        &self,
        request: Request<pb::GetReservationRequest>,
    ) -> Result<Response<pb::GetReservationResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let id = parse::reservation_id(&request.get_ref().reservation_id)?;
        let found = self
            .reservations
            .find(tenant, id)
            .await
            .map_err(status::render)?;
        let reservation = render::reservation(found.ok_or_else(status::reservation_not_found)?);
        Ok(Response::new(pb::GetReservationResponse {
            reservation: Some(reservation),
        }))
    }
}
