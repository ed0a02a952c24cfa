//! Outgoing webhooks: how what is due is signed and sent. The rest is as of every channel.

mod send;

use tradepost_notifications::content::{Content, ContentError};

pub use send::SendWebhooks;

/// What a test message says.
///
/// # Errors
/// None: its parts are in bounds.
pub fn test_content() -> Result<Content, ContentError> {
    Content::new(
        "webhook.test".to_owned(),
        "A test".to_owned(),
        "Somebody wanted to see whether this endpoint is told.".to_owned(),
        "",
    )
}
