//! What every binary does: config, servers, limits, health, drain, error details.
