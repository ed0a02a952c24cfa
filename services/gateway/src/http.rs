//! The REST face: parse, ask a service, render.
//!
//! One file a resource. What all of them share stands beside: the extractors (`strict_json`,
//! `query`, `path`, `idempotency`, `prefer`, `caller`,
//! `asking`), the errors (`problem`), the layer around
//! every request (`edge`) with the way in (`gate`), and the port (`port`).

mod access;
mod admission;
mod analytics;
mod api_keys;
mod asking;
mod audit;
mod auth;
mod authorizations;
mod body;
mod caller;
mod cors;
mod credential_problems;
mod demo;
mod docs;
mod edge;
mod events;
mod fault;
mod gate;
mod headers;
mod hygiene;
mod idempotency;
mod identity_faults;
mod items;
mod live_metrics;
mod mfa;
mod notification_groups;
mod notifications;
mod oauth;
mod oauth_clients;
mod orders;
mod paging;
mod path;
mod payments;
mod port;
mod prefer;
mod preferences;
mod presence;
mod problem;
mod problem_docs;
mod query;
mod recipients;
mod router;
mod shipments;
mod strict_json;
mod tenants;
mod tries;
mod upgrade;
mod users;
mod values;
mod webhook_endpoints;
mod webhooks;
mod whence;

pub use access::Denials;
pub use admission::{Admission, Credentials, NotAdmitted, Presented};
pub use body::BodyPatience;
pub use cors::{Origins, origin_fault};
pub use gate::Hourly;
pub use notifications::Places;
pub use port::{Certificate, PortOptions, serve};
pub use router::{Gateway, openapi, router};
