//! What happens to an order is told to its customer and to the tenant's staff.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tradepost_messaging::Message;
use tradepost_notifications::content::{Content, ContentError};
use tradepost_types::{Money, NotificationId, TenantId};

use crate::domain::{Audience, Happened, Locale, OrderNews, wording};
use crate::metrics::FeedMetrics;
use crate::ports::{Announcement, Announcer, Feeds, Note, OrderTelling, StoreError};

/// Why it was not told.
#[derive(Debug, thiserror::Error)]
pub enum OrderNotTold {
    /// A text is none that may be told.
    #[error("a text of {kind} cannot be told")]
    Unspeakable {
        /// Of which kind of news.
        kind: &'static str,
        /// What is wrong with it.
        #[source]
        source: ContentError,
    },
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A piece of news with the message that brought it.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The message.
    pub cause: Message,
    /// What it says.
    pub news: OrderNews,
}

/// Tells of orders. Cheap to clone.
#[derive(Clone)]
pub struct TellOfOrders {
    feed: Feeds,
    announcer: Announcer,
    locale: Locale,
    metrics: FeedMetrics,
}

impl TellOfOrders {
    /// Tells in this language where the tenant has not chosen one.
    #[must_use]
    pub fn new(feed: Feeds, announcer: Announcer, locale: Locale, metrics: FeedMetrics) -> Self {
        Self {
            feed,
            announcer,
            locale,
            metrics,
        }
    }

    /// Tells all of it, each fact once: first it is committed, then announced. What is committed
    /// and not announced, because the process dies between, is found by a look at the database.
    ///
    /// # Errors
    /// [`OrderNotTold`]; then nothing of it was told, unless the outcome of the commit is not known:
    /// then it is harmless to try again.
    pub async fn run(&self, heard: Vec<Heard>) -> Result<(), OrderNotTold> {
        let mut tenants: Vec<TenantId> = heard.iter().map(|heard| heard.news.tenant).collect();
        tenants.sort_unstable();
        tenants.dedup();
        let chosen = self.feed.locales(&tenants).await?;
        let in_its_language = |heard: Heard| {
            let locale = chosen.get(&heard.news.tenant).copied();
            telling(heard, locale.unwrap_or(self.locale))
        };
        let tellings = heard.into_iter().map(in_its_language);
        let tellings = tellings.collect::<Result<Vec<_>, _>>()?;
        let told = self.feed.tell(&tellings).await?;
        tradepost_crash::point("notification.feed.after_commit");
        self.metrics.told(&told);
        let announcements = told.entries.into_iter().map(Announcement::Entry);
        self.announcer.announce(announcements.collect());
        Ok(())
    }
}

fn telling(Heard { cause, news }: Heard, locale: Locale) -> Result<OrderTelling, OrderNotTold> {
    let customer = note(&news, Audience::Customer, locale)?;
    Ok(OrderTelling {
        tenant: news.tenant,
        order: news.order,
        kind: news.happened.kind(),
        occasion: news.happened.occasion(),
        customer: customer.map(|note| (news.customer.clone(), note)),
        staff: note(&news, Audience::Staff, locale)?,
        cause,
    })
}

fn note(
    news: &OrderNews,
    audience: Audience,
    locale: Locale,
) -> Result<Option<Note>, OrderNotTold> {
    let Some(wording) = wording(news, audience, locale) else {
        return Ok(None);
    };
    let kind = news.happened.kind();
    let (title, data) = (wording.title.to_owned(), data(news, audience).to_string());
    let content = Content::new(kind.to_owned(), title, wording.message, &data);
    let content = content.map_err(|source| OrderNotTold::Unspeakable { kind, source })?;
    let label = format!(
        "notification/{kind}/{}/{}",
        news.happened.occasion(),
        audience.name()
    );
    let id = NotificationId::derive(news.order.as_uuid(), &label);
    Ok(Some(Note { id, content }))
}

/// What a program wants to know. A customer is not told by which word a card was declined.
fn data(news: &OrderNews, audience: Audience) -> Value {
    let mut data = Map::new();
    data.insert("order_id".to_owned(), news.order.to_string().into());
    data.insert("occurred_time".to_owned(), time(news.at).into());
    match &news.happened {
        Happened::Confirmed { total } | Happened::Returned { total } => {
            data.insert("total".to_owned(), money(*total));
        }
        Happened::Refunded { refund, amount } => {
            data.insert("refund_id".to_owned(), refund.to_string().into());
            data.insert("amount".to_owned(), money(*amount));
        }
        Happened::Rejected { reason } if audience == Audience::Staff => {
            data.insert("reason".to_owned(), reason.as_str().into());
        }
        Happened::NeedsAttention { step, .. } => {
            data.insert("step".to_owned(), step.as_str().into());
        }
        Happened::Rejected { .. }
        | Happened::Cancelled
        | Happened::Shipped
        | Happened::Delivered => {}
    }
    Value::Object(data)
}

/// Empty for a year of five digits, which RFC 3339 cannot write.
fn time(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

fn money(money: Money) -> Value {
    json!({
        "currency_code": money.currency().code(),
        "minor_units": money.minor_units(),
    })
}
