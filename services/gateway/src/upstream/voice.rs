//! In whose name a service is asked, and what it is told they may do there.

use std::sync::Arc;

use tokio::time::Instant;
use tradepost_service::auth::Grant;
use tradepost_types::TenantId;

use crate::domain::caller::Caller;
use crate::domain::rights::{Permission, Reach};

/// Who the gateway is when it speaks for itself.
const GATEWAY: &str = "gateway";
/// Rights that are its own: to hand on what the card provider reports. The payment service
/// checks the provider's signature, and finds the tenant in what is signed.
const WEBHOOK: &str = "payments:webhook";
/// And to tell the metrics service of tenants, whom it keeps.
const TENANTS: &str = "tenants:write";

/// In whose name.
#[derive(Clone)]
pub(super) enum Speaker {
    /// Whoever calls, and the tenant that it is about; none for the platform's.
    Caller(Arc<Caller>, Option<TenantId>),
    /// The gateway.
    Gateway,
}

/// In whose name, and until when they wait, if they said so.
#[derive(Clone)]
pub(super) struct Voice {
    pub(super) speaker: Speaker,
    pub(super) until: Option<Instant>,
}

impl Speaker {
    /// What `service` is told.
    pub(super) fn grant(&self, service: &'static str) -> Grant {
        match self {
            Self::Caller(caller, tenant) => grant_of(service, caller, *tenant),
            Self::Gateway => Grant {
                audience: service,
                subject: GATEWAY.to_owned(),
                tenant: None,
                rights: match service {
                    "payment" => vec![WEBHOOK],
                    "metrics" => vec![TENANTS],
                    _ => Vec::new(),
                },
                customer: false,
            },
        }
    }
}

/// What `service` is told of a caller: of their rights those that mean something there.
pub(super) fn grant_of(service: &'static str, caller: &Caller, tenant: Option<TenantId>) -> Grant {
    let rights = caller.rights.and(caller.role.rights()).iter();
    Grant {
        audience: service,
        subject: caller.subject.to_string(),
        tenant,
        rights: rights
            .filter(|permission| means_something(service, *permission))
            .map(Permission::as_str)
            .collect(),
        customer: caller.reach() == Reach::Own,
    }
}

/// The services whose rights can be asked for.
const SERVICES: [&str; 6] = [
    "order",
    "inventory",
    "payment",
    "shipping",
    "notification",
    "metrics",
];

/// Whether there is a service of this name.
pub(crate) fn is_service(name: &str) -> bool {
    SERVICES.contains(&name)
}

/// What a service would be told of a caller about their own tenant; `None` if there is none of this
/// name.
pub(crate) fn grant_at(name: &str, caller: &Caller) -> Option<Grant> {
    let service = SERVICES.into_iter().find(|service| *service == name)?;
    Some(grant_of(service, caller, caller.tenant))
}

fn means_something(service: &str, permission: Permission) -> bool {
    let (resource, _) = permission.as_str().split_once(':').unwrap_or_default();
    match service {
        "order" => resource == "orders",
        "inventory" => matches!(resource, "items" | "inventory"),
        "payment" => resource == "payments",
        "shipping" => resource == "shipments",
        "notification" => resource == "notifications",
        "metrics" => matches!(resource, "events" | "metrics" | "analytics"),
        _ => false,
    }
}
