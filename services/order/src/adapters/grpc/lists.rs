//! Pages and filters of the lists.

use prost::Message;
use time::OffsetDateTime;
use tonic::Status;
use tradepost_proto::convert::timestamp_from_proto;
use tradepost_proto::order::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::page::PageRequest;
use tradepost_types::OrderId;
use uuid::Uuid;

use super::parse::text;
use super::{DOMAIN, render};
use crate::domain::{Order, OrderState};
use crate::ports::{Filter, Position};

/// The place of an order in a list, as a page token holds it: microseconds, which is what the
/// database keeps, and the id.
pub(super) type Key = (i64, Uuid);

const CUSTOMER_REF_MAX: usize = 100;
/// The most states of a filter: there are fewer, and a few more may come.
const STATES_MAX: usize = 20;

/// A list of orders as asked for.
pub(super) struct Orders {
    pub(super) filter: Filter,
    pub(super) page: PageRequest<Key>,
}

impl Orders {
    pub(super) fn after(&self) -> Result<Option<Position>, Status> {
        parse_position(self.page.after.as_ref())
    }

    /// Keeps the list to one customer's orders, if there is one to keep it to. Whether anything is
    /// left: the filter may ask for another's.
    pub(super) fn restrict(&mut self, own: Option<&str>) -> bool {
        let Some(own) = own else {
            return true;
        };
        let asked = &mut self.filter.customer_ref;
        let nobody_else = asked.is_empty() || asked == own;
        own.clone_into(asked);
        nobody_else
    }
}

/// Parses a list of orders; the token is bound to the filter.
pub(super) fn orders(request: &pb::ListOrdersRequest) -> Result<Orders, Status> {
    let mut violations = Violations::new();
    let mut filter = Filter {
        customer_ref: request.customer_ref.clone(),
        ..Filter::default()
    };
    let customer_ref = &request.customer_ref;
    text(
        &mut violations,
        "customer_ref",
        customer_ref,
        0..=CUSTOMER_REF_MAX,
    );
    filter.states = states(&mut violations, &request.states);
    let bounds = [
        (
            "create_time_from",
            request.create_time_from,
            &mut filter.from,
        ),
        (
            "create_time_until",
            request.create_time_until,
            &mut filter.until,
        ),
    ];
    for (field, given, bound) in bounds {
        if let Some(given) = given {
            *bound = violations.take(field, timestamp_from_proto(given));
        }
    }
    violations.check(DOMAIN)?;
    let bound = pb::ListOrdersRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    let page = PageRequest::parse(
        request.page_size,
        &request.page_token,
        &bound.encode_to_vec(),
    )?;
    Ok(Orders { filter, page })
}

fn states(violations: &mut Violations, given: &[i32]) -> Vec<OrderState> {
    if given.len() > STATES_MAX {
        violations.add("states", format!("must have at most {STATES_MAX} entries"));
        return Vec::new();
    }
    let mut states = Vec::with_capacity(given.len());
    for (index, state) in given.iter().enumerate() {
        let known = pb::OrderState::try_from(*state).ok();
        match known.and_then(render::parse_state) {
            Some(state) => states.push(state),
            None => violations.add(format!("states[{index}]"), "must be a state of an order"),
        }
    }
    states
}

/// Parses a list of stuck orders.
pub(super) fn stuck(request: &pb::ListStuckOrdersRequest) -> Result<PageRequest<Key>, Status> {
    PageRequest::parse(request.page_size, &request.page_token, b"ListStuckOrders")
}

/// The place of an order.
pub(super) fn position(order: &Order) -> Key {
    let micros = order.created_at.unix_timestamp_nanos() / 1_000;
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    (micros, order.id.as_uuid())
}

/// Back from the token. Its checksum held, so only a forged one can fail.
pub(super) fn parse_position(key: Option<&Key>) -> Result<Option<Position>, Status> {
    let Some((micros, id)) = key else {
        return Ok(None);
    };
    let instant = OffsetDateTime::from_unix_timestamp_nanos(i128::from(*micros) * 1_000);
    let Ok(instant) = instant else {
        let mut violations = Violations::new();
        violations.add("page_token", "is malformed");
        return Err(violations.into_failure(DOMAIN).into());
    };
    Ok(Some((instant, OrderId::from_uuid(*id))))
}
