//! The use cases: each sequences I/O through the ports and decides nothing about orders.

mod apply_answers;
mod changes;
mod express_wish;
mod fire_deadlines;
mod place_order;
mod read_orders;
mod watch_order;

pub use apply_answers::ApplyAnswers;
pub use changes::Changes;
pub use express_wish::ExpressWish;
pub use fire_deadlines::FireDeadlines;
pub use place_order::{PlaceError, PlaceOrder};
pub use read_orders::{History, ReadOrders};
pub use watch_order::{Watch, WatchError, WatchOrder};
