//! What a shopkeeper would recognise: what happens to orders, and how people are told of it.

mod amount;
mod locale;
mod order_news;
mod templates;
pub mod webhook;

pub use locale::{Locale, UnknownLocale};
pub use order_news::{Code, Happened, OrderNews};
pub use templates::{Audience, Wording, wording};
