//! E-mail: when what is due is sent, and how long it has waited. The rest is as of every channel.

mod send;
mod watch;

pub use send::SendEmails;
pub use watch::WatchEmails;
