//! Pure values shared by every service: typed ids, money, quantities, stock-keeping units, tokens
//! of cards.
//!
//! It is *not* a home for aggregates, rows, errors of use cases or anything that does I/O. Every
//! type here parses once, at construction, and is valid for ever after.
#![cfg_attr(not(test), deny(clippy::float_arithmetic))]

mod card_token;
mod currency;
mod id;
mod money;
mod quantity;
mod sku;

pub use card_token::{CardToken, CardTokenError};
pub use currency::{Currency, UnknownCurrency};
pub use id::{
    ApiKeyId, ClientId, CustomerId, DisputeId, EmailId, IdError, MessageId, MovementId,
    NotificationId, OrderId, PaymentId, RefundId, ReservationId, SessionId, ShipmentId, TenantId,
    UserId, WebhookDeliveryId, WebhookEndpointId,
};
pub use money::{Money, MoneyError};
pub use quantity::{Quantity, QuantityError};
pub use sku::{Sku, SkuError};
