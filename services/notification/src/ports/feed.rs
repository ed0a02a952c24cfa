//! Telling what happens to orders.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tradepost_messaging::Message;
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::UserName;
use tradepost_types::{NotificationId, OrderId, TenantId};

use super::announcements::Entry;
use super::live::StoreError;
use crate::domain::Locale;

/// A fact of an order with what is told of it.
#[derive(Debug, Clone)]
pub struct OrderTelling {
    /// The message that brought it.
    pub cause: Message,
    /// Whose order it is.
    pub tenant: TenantId,
    /// The order.
    pub order: OrderId,
    /// What happened to it: with the occasion told once for each order.
    pub kind: &'static str,
    /// Which time this is; 0 for what happens to an order once.
    pub occasion: i64,
    /// What the customer is told.
    pub customer: Option<(UserName, Note)>,
    /// What the staff are told.
    pub staff: Option<Note>,
}

/// What is told, and under which id.
#[derive(Debug, Clone)]
pub struct Note {
    /// The same whenever the fact comes again.
    pub id: NotificationId,
    /// What.
    pub content: Content,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// What was stored, to be announced.
    pub entries: Vec<Entry>,
    /// How many of the facts were told before.
    pub repeated: usize,
}

/// Stores what is told of orders.
#[async_trait]
pub trait Feed: Send + Sync {
    /// In which language the people of these tenants are told, as far as the tenants have chosen.
    async fn locales(&self, tenants: &[TenantId]) -> Result<HashMap<TenantId, Locale>, StoreError>;

    /// In one transaction: marks the messages as handled, passes over facts that were told before
    /// whatever message brought them, and stores the others at the end of their streams, in the
    /// order given. A tenant's group of staff is made when it is first told something.
    async fn tell(&self, tellings: &[OrderTelling]) -> Result<Told, StoreError>;
}

/// As its users hold it.
pub type Feeds = Arc<dyn Feed>;
