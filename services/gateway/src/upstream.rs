//! The services behind the gateway, asked over gRPC for one tenant.
//!
//! The only place that speaks gRPC. What a service refuses becomes a [`Refusal`], which is said in
//! the terms of HTTP.

mod calls;
mod inventory;
mod order;
mod payment;
mod refusal;
mod shipping;

use std::time::Duration;

use anyhow::Context;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tradepost_service::auth::{Grant, Identity};
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_types::TenantId;
use url::Url;

use crate::config::UpstreamsConfig;
use crate::metrics::Metrics;
use calls::Calls;

pub use inventory::Inventory;
pub use order::{Orders, Watch};
pub use payment::Payments;
pub use refusal::Refusal;
pub use shipping::Shipping;

/// Who acts, in the services' audit trails.
const ACTOR: &str = "demo";
/// What the gateway asks for, until it asks for what its caller may.
const RIGHTS: [&str; 10] = [
    "orders:place",
    "orders:read",
    "orders:cancel",
    "orders:price",
    "items:read",
    "items:write",
    "inventory:adjust",
    "payments:read",
    "payments:refund",
    "shipments:read",
];
/// For the provider's webhooks, which nobody asks for.
const WEBHOOK: &str = "payments:webhook";

/// A channel that says whom it speaks for.
type Spoken = InterceptedService<Channel, CallContext>;

/// The services behind the gateway. Cheap to clone.
#[derive(Clone)]
pub struct Upstreams {
    /// Orders and their saga.
    pub orders: Orders,
    /// The catalogue and its stock.
    pub inventory: Inventory,
    /// Payments and refunds.
    pub payments: Payments,
    /// Shipments.
    pub shipping: Shipping,
}

impl Upstreams {
    /// The services at the addresses of `config`; nothing is connected before the first call.
    ///
    /// # Errors
    /// Fails when an address cannot be used.
    pub fn connect(
        config: &UpstreamsConfig,
        identity: &Identity,
        tenant: TenantId,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let deadline = Duration::from_millis(config.deadline_ms);
        let options = ClientOptions {
            connections: config.connections,
            ..ClientOptions::default()
        };
        let open = |name: &'static str, url: &Url| {
            let channel = channel(url.as_str(), &options)
                .with_context(|| format!("upstreams.{name}_url cannot be used"))?;
            anyhow::Ok((channel, Calls::new(name, deadline, metrics.clone())))
        };
        let spoken = |audience, channel| {
            let mut grant = Grant::of_service(audience, ACTOR, tenant, &RIGHTS);
            grant.rights.push(WEBHOOK);
            let context = CallContext::new(identity, grant).deadline(deadline);
            InterceptedService::new(channel, context)
        };
        let (order, order_calls) = open("order", &config.order_url)?;
        let (inventory, inventory_calls) = open("inventory", &config.inventory_url)?;
        let (payment, payment_calls) = open("payment", &config.payment_url)?;
        let (shipping, shipping_calls) = open("shipping", &config.shipping_url)?;
        Ok(Self {
            orders: Orders::new(spoken("order", order), order_calls),
            inventory: Inventory::new(spoken("inventory", inventory), inventory_calls),
            payments: Payments::new(spoken("payment", payment), payment_calls),
            shipping: Shipping::new(spoken("shipping", shipping), shipping_calls),
        })
    }
}
