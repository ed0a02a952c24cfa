//! What is told, kept and read.

mod access;
mod calls;
mod crashes;
mod histories;
mod members;
mod pasts;
mod plans;
mod sends;
pub(crate) mod support;
mod tells;
mod tenancy;
mod upkeep;
