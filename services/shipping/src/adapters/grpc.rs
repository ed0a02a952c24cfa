//! The gRPC face: parse, call, render.

mod parse;
mod render;
mod status;

use tonic::{Request, Response, Status};
use tradepost_proto::shipping::v1 as pb;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingService;
use tradepost_service::auth::Rule;
use tradepost_service::{Clock, RequestContext};

use crate::application::{Courier, record_report};
use crate::ports::Shipments;

/// The domain of this service's errors.
pub(crate) const DOMAIN: &str = "shipping.tradepost";

/// What opens the methods.
pub const RULES: [Rule; 3] = [
    Rule::of_tenant("GetShipment", "shipments:read"),
    Rule::of_tenant("ListRates", "shipments:operate"),
    Rule::of_tenant("RecordTrackingEvent", "shipments:operate"),
];

/// The service's calls.
pub struct ShippingApi {
    store: Shipments,
    courier: Courier,
    clock: Clock,
}

impl ShippingApi {
    /// Calls that read and write this store and ask this carrier.
    #[must_use]
    pub const fn new(store: Shipments, courier: Courier) -> Self {
        Self {
            store,
            courier,
            clock: Clock::system(),
        }
    }
}

#[tonic::async_trait]
impl ShippingService for ShippingApi {
    async fn get_shipment(
        &self,
        request: Request<pb::GetShipmentRequest>,
    ) -> Result<Response<pb::GetShipmentResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let id = parse::shipment_id(&request.get_ref().shipment_id)?;
        let stored = self.store.find(tenant, id).await.map_err(status::render)?;
        let shipment = render::shipment(stored.ok_or_else(status::not_found)?);
        Ok(Response::new(pb::GetShipmentResponse {
            shipment: Some(shipment),
        }))
    }

    async fn list_rates(
        &self,
        request: Request<pb::ListRatesRequest>,
    ) -> Result<Response<pb::ListRatesResponse>, Status> {
        RequestContext::of(&request)?;
        let (country, grams, currency) = parse::rates(request.get_ref())?;
        let offer = self.courier.quote(country, grams, currency).await;
        let offer = offer.map_err(status::carrier)?;
        Ok(Response::new(pb::ListRatesResponse {
            rates: vec![render::rate(offer)],
        }))
    }

    async fn record_tracking_event(
        &self,
        request: Request<pb::RecordTrackingEventRequest>,
    ) -> Result<Response<pb::RecordTrackingEventResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, id, update) = parse::update(request.get_ref(), self.clock.now())?;
        let stored = record_report(&*self.store, (tenant, id), &key, update).await;
        let stored = stored.map_err(status::render)?;
        let shipment = Some(render::shipment(stored));
        Ok(Response::new(pb::RecordTrackingEventResponse { shipment }))
    }
}
