//! Each foreign technology in one place.

pub mod postgres;
