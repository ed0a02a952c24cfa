//! A way to Redis for what can do without it: shared limits, kept answers, what nodes tell each other.
//!
//! One [`Keeper`] holds one connection and proves every now and then that it answers. Whoever asks goes
//! through the [`Link`], which is open or closed: without a connection nobody queues for one, and a
//! Redis that is frozen costs a few budgets, then nothing. *Not* a home for what is asked: commands
//! and scripts are their users'.

mod config;
mod keeper;
mod link;

pub use config::{RedisConfig, UrlUnusable, client, is_redis_url};
pub use keeper::{Fault, Keeper, Observe};
pub use link::{Link, Missed};
