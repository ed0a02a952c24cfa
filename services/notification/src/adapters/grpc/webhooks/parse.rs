//! From requests to values: every fault of a request is told at once.

use std::collections::BTreeSet;

use prost::Message;
use tonic::Status;
use tradepost_proto::notification::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::page::PageRequest;
use tradepost_types::{WebhookDeliveryId, WebhookEndpointId};

use super::super::reading::{self, Place, finish, key, made_at};
use crate::domain::webhook::{EndpointUrl, Pattern, SigningSecret, UrlRules};
use crate::ports::RequestKey;
use crate::ports::webhooks::{
    Delivery, DeliveryState, EndpointEdit, ListedAfter, NewEndpoint, Previous, Wish,
};

const TYPES_MAX: usize = 32;
const DESCRIPTION_CHARS_MAX: usize = 200;

/// A list of deliveries as asked for.
pub(super) struct Deliveries {
    pub(super) endpoint: WebhookEndpointId,
    pub(super) state: Option<DeliveryState>,
    pub(super) page: PageRequest<Place>,
}

impl Deliveries {
    /// Where it goes on.
    pub(super) fn after(&self) -> Result<Option<ListedAfter>, Status> {
        let Some(place) = self.page.after else {
            return Ok(None);
        };
        let (created_at, id) = (made_at(place)?, WebhookDeliveryId::from_uuid(place.1));
        Ok(Some(ListedAfter { created_at, id }))
    }
}

/// The place of a delivery in its list.
pub(super) fn place(delivery: &Delivery) -> Place {
    reading::place(delivery.created_at, delivery.id.as_uuid())
}

pub(super) fn endpoint_id(text: &str) -> Result<WebhookEndpointId, Status> {
    let mut faults = Violations::new();
    let id = faults.take("endpoint_id", text.parse::<WebhookEndpointId>());
    finish(faults, id)
}

pub(super) fn new_endpoint(
    request: &pb::CreateEndpointRequest,
    rules: UrlRules,
) -> Result<(RequestKey, NewEndpoint), Status> {
    let mut faults = Violations::new();
    faults.request_id(&request.request_id);
    let url = faults.take("url", EndpointUrl::parse(&request.url, rules));
    let types = types(&mut faults, &request.types);
    if request.types.is_empty() {
        faults.add("types", "must name at least one type, or \"*\"");
    }
    let description = description(&mut faults, &request.description);
    let url = finish(faults, url)?;
    let body = pb::CreateEndpointRequest {
        request_id: String::new(),
        ..request.clone()
    };
    let new = NewEndpoint {
        id: WebhookEndpointId::new(),
        url,
        types,
        description,
        secret: SigningSecret::of_bytes(&rand::random()),
    };
    Ok((key(&request.request_id, &body), new))
}

pub(super) fn edit(
    request: &pb::UpdateEndpointRequest,
    rules: UrlRules,
) -> Result<(WebhookEndpointId, EndpointEdit), Status> {
    let mut faults = Violations::new();
    let id = faults.take("endpoint_id", request.endpoint_id.parse());
    let url = request.url.as_deref();
    let url = url.and_then(|url| faults.take("url", EndpointUrl::parse(url, rules)));
    let types = types(&mut faults, &request.types);
    let text = request.description.as_deref();
    let edit = EndpointEdit {
        url,
        types: (!request.types.is_empty()).then_some(types),
        description: text.map(|text| description(&mut faults, text)),
        wish: request
            .enabled
            .map(|enabled| if enabled { Wish::Enable } else { Wish::Disable }),
    };
    Ok((finish(faults, id)?, edit))
}

pub(super) fn rotation(
    request: &pb::RotateSecretRequest,
) -> Result<(RequestKey, WebhookEndpointId, Previous), Status> {
    let mut faults = Violations::new();
    faults.request_id(&request.request_id);
    let id = faults.take("endpoint_id", request.endpoint_id.parse());
    let id = finish(faults, id)?;
    let body = pb::RotateSecretRequest {
        request_id: String::new(),
        ..request.clone()
    };
    let previous = if request.at_once {
        Previous::Ends
    } else {
        Previous::Signs
    };
    Ok((key(&request.request_id, &body), id, previous))
}

pub(super) fn deliveries(request: &pb::ListDeliveriesRequest) -> Result<Deliveries, Status> {
    let mut faults = Violations::new();
    let endpoint = faults.take("endpoint_id", request.endpoint_id.parse());
    let state = match pb::DeliveryState::try_from(request.state) {
        Ok(pb::DeliveryState::Unspecified) => None,
        Ok(pb::DeliveryState::Pending) => Some(DeliveryState::Pending),
        Ok(pb::DeliveryState::Delivered) => Some(DeliveryState::Delivered),
        Ok(pb::DeliveryState::Failed) => Some(DeliveryState::Failed),
        Err(_unknown) => {
            faults.add("state", "must be a state of a delivery");
            None
        }
    };
    let endpoint = finish(faults, endpoint)?;
    let filter = pb::ListDeliveriesRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    let filter = filter.encode_to_vec();
    let page = PageRequest::parse(request.page_size, &request.page_token, &filter)?;
    Ok(Deliveries {
        endpoint,
        state,
        page,
    })
}

pub(super) fn resend(
    request: &pb::ResendDeliveryRequest,
) -> Result<(RequestKey, WebhookDeliveryId), Status> {
    let mut faults = Violations::new();
    faults.request_id(&request.request_id);
    let id = faults.take("delivery_id", request.delivery_id.parse());
    let id = finish(faults, id)?;
    let body = pb::ResendDeliveryRequest {
        request_id: String::new(),
        ..request.clone()
    };
    Ok((key(&request.request_id, &body), id))
}

pub(super) fn test(
    request: &pb::TestEndpointRequest,
) -> Result<(RequestKey, WebhookEndpointId), Status> {
    let mut faults = Violations::new();
    faults.request_id(&request.request_id);
    let id = faults.take("endpoint_id", request.endpoint_id.parse());
    let id = finish(faults, id)?;
    let body = pb::TestEndpointRequest {
        request_id: String::new(),
        ..request.clone()
    };
    Ok((key(&request.request_id, &body), id))
}

/// The patterns, each once.
fn types(faults: &mut Violations, texts: &[String]) -> Vec<Pattern> {
    if texts.len() > TYPES_MAX {
        faults.add("types", "must not name more than 32");
    }
    let mut types = BTreeSet::new();
    for (index, text) in texts.iter().enumerate().take(TYPES_MAX) {
        types.extend(faults.take(format!("types[{index}]"), text.parse::<Pattern>()));
    }
    types.into_iter().collect()
}

fn description(faults: &mut Violations, text: &str) -> String {
    if text.chars().count() > DESCRIPTION_CHARS_MAX {
        faults.add("description", "has at most 200 characters");
    }
    if text.chars().any(char::is_control) {
        faults.add("description", "must not hold control characters");
    }
    text.to_owned()
}
