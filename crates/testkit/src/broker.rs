//! A corner of the shared RabbitMQ for one test.

use secrecy::SecretString;
use uuid::Uuid;

use crate::stack;

/// The shared broker and a namespace that no other test uses.
#[derive(Debug, Clone)]
pub struct Broker {
    url: String,
    namespace: String,
}

/// The shared broker with a fresh namespace. The messaging crate puts the namespace before every
/// exchange and queue name; nothing removes what the test declared, so such queues must expire.
///
/// # Panics
/// If there is no broker and none can be started.
#[must_use]
pub fn broker() -> Broker {
    let url = stack::shared().amqp.to_string();
    // The tail of a time-ordered id: the random part.
    let id = Uuid::now_v7().simple().to_string();
    let namespace = format!("test-{}", id.get(16..).unwrap_or(&id));
    Broker { url, namespace }
}

impl Broker {
    /// AMQP URL, password included.
    #[must_use]
    pub fn url(&self) -> SecretString {
        self.url.clone().into()
    }

    /// What to put before every exchange and queue name.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}
