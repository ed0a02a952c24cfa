//! E-mail: from the history to a mail server over real SMTP.

mod calls;
mod crashes;
mod following;
mod securing;
mod sending;
mod server;
mod stage;
