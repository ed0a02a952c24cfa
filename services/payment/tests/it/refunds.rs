//! Money given back.
