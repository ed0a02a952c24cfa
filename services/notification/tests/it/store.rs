//! What is told, kept and read.

mod calls;
mod histories;
mod members;
mod pasts;
mod plans;
mod support;
mod tells;
mod tenancy;
mod upkeep;
