//! The calls that manage outgoing webhooks.

mod parse;
mod render;
mod status;

use tonic::{Request, Response, Status};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::webhook_service_server::WebhookService;
use tradepost_service::RequestContext;
use tradepost_service::auth::Rule;

use crate::application::webhooks::test_content;
use crate::domain::webhook::{SigningSecret, UrlRules};
use crate::ports::webhooks::Endpoints;

/// What opens the methods.
pub const WEBHOOK_RULES: [Rule; 9] = [
    Rule::of_tenant("CreateEndpoint", MANAGE),
    Rule::of_tenant("ListEndpoints", MANAGE),
    Rule::of_tenant("GetEndpoint", MANAGE),
    Rule::of_tenant("UpdateEndpoint", MANAGE),
    Rule::of_tenant("DeleteEndpoint", MANAGE),
    Rule::of_tenant("RotateSecret", MANAGE),
    Rule::of_tenant("ListDeliveries", MANAGE),
    Rule::of_tenant("ResendDelivery", MANAGE),
    Rule::of_tenant("TestEndpoint", MANAGE),
];
const MANAGE: &str = "notifications:manage";

/// The calls.
pub struct WebhookApi {
    endpoints: Endpoints,
    rules: UrlRules,
}

impl WebhookApi {
    /// Calls that manage these endpoints, whose URLs keep the rules.
    #[must_use]
    pub const fn new(endpoints: Endpoints, rules: UrlRules) -> Self {
        Self { endpoints, rules }
    }
}

#[tonic::async_trait]
impl WebhookService for WebhookApi {
    async fn create_endpoint(
        &self,
        request: Request<pb::CreateEndpointRequest>,
    ) -> Result<Response<pb::CreateEndpointResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, new) = parse::new_endpoint(request.get_ref(), self.rules)?;
        let made = self.endpoints.create(tenant, &key, &new).await;
        let (endpoint, secret) = made.map_err(status::render)?;
        Ok(Response::new(pb::CreateEndpointResponse {
            endpoint: Some(render::endpoint(endpoint)),
            secret: render::secret(secret.as_ref()),
        }))
    }

    async fn list_endpoints(
        &self,
        request: Request<pb::ListEndpointsRequest>,
    ) -> Result<Response<pb::ListEndpointsResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let endpoints = self.endpoints.list(tenant).await.map_err(status::render)?;
        let endpoints = endpoints.into_iter().map(render::endpoint).collect();
        Ok(Response::new(pb::ListEndpointsResponse { endpoints }))
    }

    async fn get_endpoint(
        &self,
        request: Request<pb::GetEndpointRequest>,
    ) -> Result<Response<pb::GetEndpointResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let id = parse::endpoint_id(&request.get_ref().endpoint_id)?;
        let found = self.endpoints.load(tenant, id).await;
        let endpoint = Some(render::endpoint(found.map_err(status::render)?));
        Ok(Response::new(pb::GetEndpointResponse { endpoint }))
    }

    async fn update_endpoint(
        &self,
        request: Request<pb::UpdateEndpointRequest>,
    ) -> Result<Response<pb::UpdateEndpointResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (id, edit) = parse::edit(request.get_ref(), self.rules)?;
        let edited = self.endpoints.edit(tenant, id, &edit).await;
        let endpoint = Some(render::endpoint(edited.map_err(status::render)?));
        Ok(Response::new(pb::UpdateEndpointResponse { endpoint }))
    }

    async fn delete_endpoint(
        &self,
        request: Request<pb::DeleteEndpointRequest>,
    ) -> Result<Response<pb::DeleteEndpointResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let id = parse::endpoint_id(&request.get_ref().endpoint_id)?;
        let deleted = self.endpoints.delete(tenant, id).await;
        deleted.map_err(status::render)?;
        Ok(Response::new(pb::DeleteEndpointResponse {}))
    }

    async fn rotate_secret(
        &self,
        request: Request<pb::RotateSecretRequest>,
    ) -> Result<Response<pb::RotateSecretResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, id, previous) = parse::rotation(request.get_ref())?;
        let secret = SigningSecret::of_bytes(&rand::random());
        let wanted = (&secret, previous);
        let rotated = self.endpoints.rotate(tenant, &key, id, wanted).await;
        let (endpoint, secret) = rotated.map_err(status::render)?;
        Ok(Response::new(pb::RotateSecretResponse {
            endpoint: Some(render::endpoint(endpoint)),
            secret: render::secret(secret.as_ref()),
        }))
    }

    async fn list_deliveries(
        &self,
        request: Request<pb::ListDeliveriesRequest>,
    ) -> Result<Response<pb::ListDeliveriesResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let wanted = parse::deliveries(request.get_ref())?;
        let place = (wanted.after()?, wanted.page.limit());
        let found = self
            .endpoints
            .deliveries(tenant, wanted.endpoint, wanted.state, place)
            .await;
        let found = found.map_err(status::render)?;
        let page = wanted.page.page(found, parse::place);
        Ok(Response::new(pb::ListDeliveriesResponse {
            deliveries: page.items.into_iter().map(render::delivery).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn resend_delivery(
        &self,
        request: Request<pb::ResendDeliveryRequest>,
    ) -> Result<Response<pb::ResendDeliveryResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, id) = parse::resend(request.get_ref())?;
        let delivery = self.endpoints.resend(tenant, &key, id).await;
        let delivery = Some(render::delivery(delivery.map_err(status::render)?));
        Ok(Response::new(pb::ResendDeliveryResponse { delivery }))
    }

    async fn test_endpoint(
        &self,
        request: Request<pb::TestEndpointRequest>,
    ) -> Result<Response<pb::TestEndpointResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, id) = parse::test(request.get_ref())?;
        let content = test_content().map_err(|_never| Status::internal("a test is no message"))?;
        let delivery = self.endpoints.test(tenant, &key, id, &content).await;
        let delivery = Some(render::delivery(delivery.map_err(status::render)?));
        Ok(Response::new(pb::TestEndpointResponse { delivery }))
    }
}
