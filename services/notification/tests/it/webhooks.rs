//! Outgoing webhooks: from the history to endpoints over real HTTP.

mod crashes;
mod delivering;
mod endpoints;
mod following;
mod guarding;
mod receiver;
mod stage;
