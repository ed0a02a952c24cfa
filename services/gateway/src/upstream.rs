//! The services behind the gateway, asked over gRPC for whoever calls.
//!
//! The only place that asks by gRPC. What a service refuses becomes a [`Refusal`], which is said in
//! the terms of HTTP. `link` keeps the trouble of one service from becoming everybody's: a breaker,
//! a limit of running calls and a budget of repetitions.

mod analytics;
mod breaker;
mod calls;
mod inventory;
mod link;
mod live;
mod notification;
mod order;
mod payment;
mod refusal;
mod retries;
mod shipping;
mod voice;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::time::Instant;
use tradepost_service::auth::Identity;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_service::{Health, Tls};
use tradepost_types::TenantId;
use url::Url;

use crate::config::UpstreamsConfig;
use crate::domain::caller::Caller;
use crate::metrics::Metrics;
use calls::Calls;
use link::{Link, LinkLimits};
use voice::{Speaker, Voice};

pub use analytics::{Analytics, Pieces};
pub use breaker::Standing;
pub use inventory::Inventory;
pub(crate) use live::{Opened, socket_limits};
pub use notification::Notifications;
pub use order::{Orders, Watch};
pub use payment::Payments;
pub use refusal::Refusal;
pub use shipping::Shipping;
pub(crate) use voice::{grant_at, is_service};

/// The services behind the gateway. Cheap to clone.
#[derive(Clone)]
pub struct Upstreams {
    order: Link,
    inventory: Link,
    payment: Link,
    shipping: Link,
    notification: Option<Link>,
    live: Option<Url>,
    metrics: Option<Link>,
    identity: Identity,
}

impl Upstreams {
    /// The services at the addresses of `config`; nothing is connected before the first call.
    ///
    /// # Errors
    /// Fails when an address cannot be used.
    pub fn connect(
        config: &UpstreamsConfig,
        identity: &Identity,
        tls: Option<Tls>,
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
            tls,
            ..ClientOptions::default()
        };
        let link = |name: &'static str, url: &Url| {
            let channel = channel(url.as_str(), &options)
                .with_context(|| format!("upstreams.{name}_url cannot be used"))?;
            anyhow::Ok(Link::new(name, channel, limits, metrics.clone()))
        };
        let optional = |name, url: Option<&Url>| url.map(|url| link(name, url)).transpose();
        Ok(Self {
            order: link("order", &config.order_url)?,
            inventory: link("inventory", &config.inventory_url)?,
            payment: link("payment", &config.payment_url)?,
            shipping: link("shipping", &config.shipping_url)?,
            notification: optional(notification::SERVICE, config.notification_url.as_ref())?,
            live: config.notification_live_url.clone(),
            metrics: optional(analytics::SERVICE, config.metrics_url.as_ref())?,
            identity: identity.clone(),
        })
    }

    /// The services, asked in the name of `caller` about `tenant`, or about the platform where
    /// there is none; they wait until then at most.
    #[must_use]
    pub fn speaking_for(
        &self,
        caller: &Arc<Caller>,
        tenant: Option<TenantId>,
        until: Option<Instant>,
    ) -> Services {
        Services {
            upstreams: self.clone(),
            voice: Voice {
                speaker: Speaker::Caller(Arc::clone(caller), tenant),
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
                speaker: Speaker::Gateway,
                until: None,
            },
        }
    }

    /// Whether there is a metrics service.
    #[must_use]
    pub const fn has_metrics(&self) -> bool {
        self.metrics.is_some()
    }

    /// A WebSocket of the notification service, for `caller`.
    ///
    /// # Errors
    /// That there is no such service, or that it did not open one.
    pub(crate) async fn notifications(
        &self,
        caller: &Caller,
        protocols: &[String],
    ) -> Result<Opened, Refusal> {
        let url = self.live.as_ref();
        let url = url.ok_or_else(|| Refusal::unreachable(notification::SERVICE))?;
        let grant = voice::grant_of(notification::SERVICE, caller, caller.tenant);
        let token = self.identity.bearer(&grant);
        let token = token.map_err(|_unsigned| Refusal::unreachable(notification::SERVICE))?;
        live::open(url, &token, protocols).await
    }

    /// Shows operators where the breaker of each service stands. A gateway that does without one
    /// service is still the way to the others, so it stays ready.
    pub fn show(&self, health: &Health) {
        let breakers = [
            ("breaker.order", &self.order),
            ("breaker.inventory", &self.inventory),
            ("breaker.payment", &self.payment),
            ("breaker.shipping", &self.shipping),
        ];
        for (name, link) in breakers {
            let link = link.clone();
            health.note(name, move || link.standing().as_str().to_owned());
        }
        let optional = [
            ("breaker.metrics", &self.metrics),
            ("breaker.notification", &self.notification),
        ];
        for (name, link) in optional {
            let link = link.clone();
            health.note(name, move || match &link {
                Some(link) => link.standing().as_str().to_owned(),
                None => "not configured".to_owned(),
            });
        }
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

    /// Events, and what they come to.
    ///
    /// # Errors
    /// That this gateway is run without the service.
    pub fn analytics(&self) -> Result<Analytics, Refusal> {
        let link = self.upstreams.metrics.as_ref();
        let link = link.ok_or_else(|| Refusal::not_configured(analytics::SERVICE))?;
        Ok(Analytics {
            calls: self.calls(link),
        })
    }

    /// What people were told, and whom to tell.
    ///
    /// # Errors
    /// That this gateway is run without the service.
    pub fn notifications(&self) -> Result<Notifications, Refusal> {
        let link = self.upstreams.notification.as_ref();
        let link = link.ok_or_else(|| Refusal::not_configured(notification::SERVICE))?;
        Ok(Notifications {
            calls: self.calls(link),
        })
    }

    /// The same, for a caller who waits for something else than the answer of a service.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.voice.until = None;
        self
    }

    fn calls(&self, link: &Link) -> Calls {
        let grant = self.voice.speaker.grant(link.service());
        Calls {
            link: link.clone(),
            context: CallContext::new(&self.upstreams.identity, grant),
            until: self.voice.until,
        }
    }
}
