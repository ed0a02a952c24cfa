//! In whose name a service is asked: what the internal token says.

use tradepost_service::auth::Grant;
use tradepost_types::TenantId;

use crate::domain::caller::Caller;
use crate::domain::rights::Reach;

/// The right that only the gateway itself has: to hand on what the card provider reports.
const WEBHOOK: &str = "payments:webhook";

/// Which resources each service keeps: it is shown the rights over those and no others.
const RESOURCES: [(&str, &[&str]); 4] = [
    ("order", &["orders"]),
    ("inventory", &["items", "inventory"]),
    ("payment", &["payments"]),
    ("shipping", &["shipments"]),
];

/// Who asks.
#[derive(Debug)]
pub(super) struct Speaker {
    subject: String,
    tenant: Option<TenantId>,
    rights: Vec<&'static str>,
    customer: bool,
}

impl Speaker {
    /// Someone the gateway has let in.
    pub(super) fn of(caller: &Caller) -> Self {
        let rights = caller.rights.iter().map(|permission| permission.as_str());
        Self {
            subject: caller.subject.to_string(),
            tenant: caller.tenant,
            rights: rights.collect(),
            customer: match caller.reach() {
                Reach::Own => true,
                Reach::Tenant => false,
            },
        }
    }

    /// The gateway under its own name.
    pub(super) fn itself(name: &str) -> Self {
        Self {
            subject: name.to_owned(),
            tenant: None,
            rights: vec![WEBHOOK],
            customer: false,
        }
    }

    /// What the token for one service says.
    pub(super) fn grant(&self, service: &'static str) -> Grant {
        let kept = RESOURCES.iter().find(|(name, _)| *name == service);
        let kept = kept.map_or(&[][..], |(_, resources)| resources);
        let of_service = |right: &&'static str| {
            let resource = right.split(':').next().unwrap_or_default();
            kept.contains(&resource)
        };
        Grant {
            audience: service,
            subject: self.subject.clone(),
            tenant: self.tenant,
            rights: self.rights.iter().copied().filter(of_service).collect(),
            customer: self.customer,
        }
    }
}
