//! API keys, second factors and OAuth against a real PostgreSQL.

mod api_keys;
mod canary;
mod factors;
mod oauth;
mod vault;
