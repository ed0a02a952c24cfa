//! Every instrument of the service, declared once.

mod access;
mod email;
mod feed;
mod live;
mod nodes;
mod webhooks;

pub use access::AccessMetrics;
pub use email::EmailMetrics;
pub use feed::FeedMetrics;
pub use live::LiveMetrics;
pub use nodes::{Carried, HealedFrom, NodeMetrics};
pub use webhooks::WebhookMetrics;
