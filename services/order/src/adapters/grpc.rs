//! The gRPC face: parse, call the use case, render.

mod lists;
mod parse;
mod place;
mod render;
mod status;

use std::pin::Pin;

use futures::Stream;
use tonic::{Request, Response, Status};
use tradepost_proto::order::v1 as pb;
use tradepost_proto::order::v1::order_service_server::OrderService;
use tradepost_service::RequestContext;
use tradepost_service::auth::Rule;
use tradepost_types::OrderId;

use crate::application::{ExpressWish, PlaceOrder, ReadOrders, WatchOrder};
use crate::domain::{Input, Order, Verb};
use crate::ports::Placed;
use status::{DOMAIN, not_found, request_id_reused};

/// What opens the methods. Giving an agreed price needs `orders:price` besides.
pub const RULES: [Rule; 10] = [
    Rule::of_tenant("PlaceOrder", "orders:place"),
    Rule::of_tenant("GetOrder", "orders:read"),
    Rule::of_tenant("ListOrders", "orders:read"),
    Rule::of_tenant("CancelOrder", "orders:cancel"),
    Rule::of_tenant("WatchOrder", "orders:read"),
    Rule::of_tenant("GetOrderTimeline", "orders:read"),
    Rule::of_tenant("ListStuckOrders", "orders:operate"),
    Rule::of_tenant("RetryStuckOrder", "orders:operate"),
    Rule::of_tenant("SkipStuckStep", "orders:operate"),
    Rule::of_tenant("AbandonStuckOrder", "orders:operate"),
];
/// The right to give lines an agreed price.
const PRICE: &str = "orders:price";

/// The use cases behind the gRPC service.
#[derive(Clone)]
pub struct OrderApi {
    /// Accepts orders.
    pub place: PlaceOrder,
    /// Cancellations and the operators' verbs.
    pub wish: ExpressWish,
    /// Reads.
    pub read: ReadOrders,
    /// Watches.
    pub watch: WatchOrder,
}

type Watched = Pin<Box<dyn Stream<Item = Result<pb::WatchOrderResponse, Status>> + Send>>;

impl OrderApi {
    async fn grant(
        &self,
        context: &RequestContext,
        call: parse::Call<'_>,
        input: Input,
    ) -> Result<Order, Status> {
        let wish = call.wish(context.tenant, input)?;
        let id = wish.order;
        self.seen(context, id).await?;
        let granted = self.wish.run(wish).await;
        granted.map_err(|error| status::wish(error, id))
    }

    /// Fails unless the caller may see the order, and then as if there were none. Whose an order is
    /// never changes, so what follows may rely on it.
    async fn seen(&self, context: &RequestContext, id: OrderId) -> Result<(), Status> {
        if context.own_only.is_none() {
            return Ok(());
        }
        let found = self.read.find(context.tenant, id).await;
        let own = found
            .map_err(status::store)?
            .is_some_and(|order| context.sees(&order.details.customer_ref));
        if own { Ok(()) } else { Err(not_found(id)) }
    }

    async fn full(&self, context: &RequestContext, order: Order) -> Result<pb::Order, Status> {
        let found = self.read.get(context.tenant, order.id).await;
        let (_, lines) = found
            .map_err(status::store)?
            .ok_or_else(|| not_found(order.id))?;
        Ok(render::order(&order, &lines))
    }
}

#[tonic::async_trait]
impl OrderService for OrderApi {
    async fn place_order(
        &self,
        request: Request<pb::PlaceOrderRequest>,
    ) -> Result<Response<pb::PlaceOrderResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let request = request.into_inner();
        if request
            .lines
            .iter()
            .any(|line| line.agreed_unit_price.is_some())
        {
            context.require(PRICE)?;
        }
        let (draft, key) = place::parse(request)?;
        if !context.sees(&draft.customer_ref) {
            return Err(status::foreign_customer());
        }
        match self.place.run(context.tenant, draft, key).await {
            Ok(Placed::Order {
                order,
                lines,
                replayed,
            }) => Ok(Response::new(pb::PlaceOrderResponse {
                order: Some(render::order(&order, &lines)),
                replayed,
            })),
            Ok(Placed::Mismatch) => Err(request_id_reused()),
            Err(error) => Err(status::place(error)),
        }
    }

    async fn get_order(
        &self,
        request: Request<pb::GetOrderRequest>,
    ) -> Result<Response<pb::GetOrderResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let id = parse::order_id(&request.get_ref().order_id)?;
        let found = self.read.get(context.tenant, id).await;
        let (order, lines) = found
            .map_err(status::store)?
            .filter(|(order, _)| context.sees(&order.details.customer_ref))
            .ok_or_else(|| not_found(id))?;
        let order = Some(render::order(&order, &lines));
        Ok(Response::new(pb::GetOrderResponse { order }))
    }

    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let mut wanted = lists::orders(request.get_ref())?;
        let after = wanted.after()?;
        if !wanted.restrict(context.own_only.as_deref()) {
            return Ok(Response::new(pb::ListOrdersResponse::default()));
        }
        let (filter, limit) = (&wanted.filter, wanted.page.limit());
        let found = self.read.list(context.tenant, filter, after, limit).await;
        let page = wanted
            .page
            .page(found.map_err(status::store)?, lists::position);
        Ok(Response::new(pb::ListOrdersResponse {
            orders: page.items.iter().map(render::without_lines).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn cancel_order(
        &self,
        request: Request<pb::CancelOrderRequest>,
    ) -> Result<Response<pb::CancelOrderResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let request = request.get_ref();
        let call = parse::Call::cancel(request);
        let input = Input::Cancel {
            note: request.note.clone(),
            actor: context.actor.clone(),
        };
        let order = self.grant(&context, call, input).await?;
        let order = Some(self.full(&context, order).await?);
        Ok(Response::new(pb::CancelOrderResponse { order }))
    }

    type WatchOrderStream = Watched;

    async fn watch_order(
        &self,
        request: Request<pb::WatchOrderRequest>,
    ) -> Result<Response<Watched>, Status> {
        let context = RequestContext::of(&request)?;
        let id = parse::order_id(&request.get_ref().order_id)?;
        let started = self.watch.start(context.tenant, id).await;
        let watch =
            started
                .map_err(|error| status::watch(error, id))
                .and_then(|watch| match watch.customer_ref() {
                    Some(of) if context.sees(of) => Ok(watch),
                    Some(_) | None => Err(not_found(id)),
                })?;
        let stream = futures::stream::unfold(watch, |mut watch| async {
            let next = watch.next().await?;
            let answer = next.map_err(status::store).map(|order| {
                let order = Some(render::without_lines(&order));
                pb::WatchOrderResponse { order }
            });
            Some((answer, watch))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_order_timeline(
        &self,
        request: Request<pb::GetOrderTimelineRequest>,
    ) -> Result<Response<pb::GetOrderTimelineResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let id = parse::order_id(&request.get_ref().order_id)?;
        self.seen(&context, id).await?;
        let found = self.read.history(context.tenant, id).await;
        let history = found.map_err(status::store)?.ok_or_else(|| not_found(id))?;
        Ok(Response::new(render::timeline(history)))
    }

    async fn list_stuck_orders(
        &self,
        request: Request<pb::ListStuckOrdersRequest>,
    ) -> Result<Response<pb::ListStuckOrdersResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let page = lists::stuck(request.get_ref())?;
        let after = lists::parse_position(page.after.as_ref())?;
        let found = self
            .read
            .list_stuck(context.tenant, after, page.limit())
            .await;
        let page = page.page(found.map_err(status::store)?, lists::position);
        Ok(Response::new(pb::ListStuckOrdersResponse {
            orders: page
                .items
                .iter()
                .filter(|order| context.sees(&order.details.customer_ref))
                .filter_map(render::stuck)
                .collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn retry_stuck_order(
        &self,
        request: Request<pb::RetryStuckOrderRequest>,
    ) -> Result<Response<pb::RetryStuckOrderResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let call = parse::Call::retry(request.get_ref());
        let input = operator(&context, Verb::Retry);
        let order = self.grant(&context, call, input).await?;
        let order = Some(self.full(&context, order).await?);
        Ok(Response::new(pb::RetryStuckOrderResponse { order }))
    }

    async fn skip_stuck_step(
        &self,
        request: Request<pb::SkipStuckStepRequest>,
    ) -> Result<Response<pb::SkipStuckStepResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let request = request.get_ref();
        let reason = request.reason.clone();
        let input = operator(&context, Verb::Skip { reason });
        let order = self
            .grant(&context, parse::Call::skip(request), input)
            .await?;
        let order = Some(self.full(&context, order).await?);
        Ok(Response::new(pb::SkipStuckStepResponse { order }))
    }

    async fn abandon_stuck_order(
        &self,
        request: Request<pb::AbandonStuckOrderRequest>,
    ) -> Result<Response<pb::AbandonStuckOrderResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let request = request.get_ref();
        let reason = request.reason.clone();
        let input = operator(&context, Verb::Abandon { reason });
        let call = parse::Call::abandon(request);
        let order = self.grant(&context, call, input).await?;
        let order = Some(self.full(&context, order).await?);
        Ok(Response::new(pb::AbandonStuckOrderResponse { order }))
    }
}

fn operator(context: &RequestContext, verb: Verb) -> Input {
    Input::Operator {
        actor: context.actor.clone(),
        verb,
    }
}
