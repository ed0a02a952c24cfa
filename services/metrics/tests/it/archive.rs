//! The archive: days leave, late events follow, days come back; whatever dies or is damaged.

mod beside;
mod bucket;
mod commands;
mod crashes;
mod faults;
mod journey;
mod remote;
mod rights;
mod support;
