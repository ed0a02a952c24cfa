//! What a shopkeeper would recognise: what happens to orders, and how people are told of it.

mod amount;
pub mod email;
mod locale;
mod order_news;
mod pattern;
mod preferences;
mod templates;
pub mod webhook;

pub use locale::{Locale, UnknownLocale};
pub use order_news::{Code, Happened, OrderNews};
pub use pattern::{Pattern, PatternError};
pub use preferences::{
    Channel, ChannelRule, Minute, MinuteError, Preferences, QuietHours, QuietHoursError,
    UnknownZone, Zone,
};
pub use templates::{Audience, Wording, wording};
