//! The gateway: the REST edge.
