//! The services behind the gateway, asked over gRPC for whoever calls.
//!
//! The only place that speaks gRPC. What a service refuses becomes a [`Refusal`], which is said in
//! the terms of HTTP. `link` keeps the trouble of one service from becoming everybody's: a breaker,
//! a limit of running calls and a budget of repetitions.

mod breaker;
mod calls;
mod inventory;
mod link;
mod order;
mod payment;
mod refusal;
mod retries;
mod shipping;

use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_types::TenantId;
use url::Url;

use crate::config::UpstreamsConfig;
use crate::metrics::Metrics;
use calls::{Calls, Voice};
use link::{Link, LinkLimits};

pub use breaker::Standing;
pub use inventory::Inventory;
pub use order::{Orders, Watch};
pub use payment::Payments;
pub use refusal::Refusal;
pub use shipping::Shipping;

/// The services behind the gateway. Cheap to clone.
#[derive(Clone)]
pub struct Upstreams {
    order: Link,
    inventory: Link,
    payment: Link,
    shipping: Link,
    own: CallContext,
}

impl Upstreams {
    /// The services at the addresses of `config`; nothing is connected before the first call.
    ///
    /// # Errors
    /// Fails when an address cannot be used.
    pub fn connect(
        config: &UpstreamsConfig,
        own: TenantId,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let limits = LinkLimits {
            deadline: Duration::from_millis(config.deadline_ms),
            slow: Duration::from_millis(config.slow_ms),
            open: Duration::from_millis(config.open_ms),
            calls_max: config.calls_max,
        };
        let options = ClientOptions {
            connections: config.connections,
            ..ClientOptions::default()
        };
        let link = |name: &'static str, url: &Url| {
            let channel = channel(url.as_str(), &options)
                .with_context(|| format!("upstreams.{name}_url cannot be used"))?;
            anyhow::Ok(Link::new(name, channel, limits, metrics.clone()))
        };
        Ok(Self {
            order: link("order", &config.order_url)?,
            inventory: link("inventory", &config.inventory_url)?,
            payment: link("payment", &config.payment_url)?,
            shipping: link("shipping", &config.shipping_url)?,
            own: CallContext::new(own, "gateway"),
        })
    }

    /// The services, asked in the name of `actor` of `tenant`, who waits until then at most.
    #[must_use]
    pub fn speaking_for(&self, tenant: TenantId, actor: &str, until: Option<Instant>) -> Services {
        Services {
            upstreams: self.clone(),
            voice: Voice {
                context: CallContext::new(tenant, actor),
                until,
            },
        }
    }

    /// The services, asked by the gateway itself: for what no caller of its own stands behind.
    #[must_use]
    pub fn for_itself(&self) -> Services {
        Services {
            upstreams: self.clone(),
            voice: Voice {
                context: self.own.clone(),
                until: None,
            },
        }
    }

    /// Where the breaker of each service stands.
    pub fn standings(&self) -> impl Iterator<Item = (&'static str, Standing)> {
        let links = [&self.order, &self.inventory, &self.payment, &self.shipping];
        links
            .map(|link| (link.service(), link.standing()))
            .into_iter()
    }
}

/// The services, asked for one request in the name of its caller.
#[derive(Clone)]
pub struct Services {
    upstreams: Upstreams,
    voice: Voice,
}

impl Services {
    /// Orders and their saga.
    #[must_use]
    pub fn orders(&self) -> Orders {
        Orders {
            calls: self.calls(&self.upstreams.order),
        }
    }

    /// The catalogue and its stock.
    #[must_use]
    pub fn inventory(&self) -> Inventory {
        Inventory {
            calls: self.calls(&self.upstreams.inventory),
        }
    }

    /// Payments and refunds.
    #[must_use]
    pub fn payments(&self) -> Payments {
        Payments {
            calls: self.calls(&self.upstreams.payment),
        }
    }

    /// Shipments.
    #[must_use]
    pub fn shipping(&self) -> Shipping {
        Shipping {
            calls: self.calls(&self.upstreams.shipping),
        }
    }

    /// The same, for a caller who waits for something else than the answer of a service.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.voice.until = None;
        self
    }

    fn calls(&self, link: &Link) -> Calls {
        Calls {
            link: link.clone(),
            voice: self.voice.clone(),
        }
    }
}
