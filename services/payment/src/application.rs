//! One use case a file: what sequences the store and the provider.

mod call_provider;
mod sweep;
mod take_webhook;

pub use call_provider::{CallProvider, Feed, Limits};
pub use sweep::Sweep;
pub use take_webhook::{TakeWebhook, WebhookRefusal};
