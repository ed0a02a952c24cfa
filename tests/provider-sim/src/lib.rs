//! A card-provider simulator with a durable log and fault switches.
