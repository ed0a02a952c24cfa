//! Refunds and voids beside each other.
