//! Limits that gateways share through a real Redis, and what holds when it is not there.
//!
//! A burst of the limit is admitted, and what time has given back since: so all counts are compared
//! with the time that was measured.

mod outages;
mod sharing;
mod stage;
mod through_http;
