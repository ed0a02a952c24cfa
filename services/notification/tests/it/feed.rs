//! What happens to orders is told to the customer and to the staff, once.

mod crashes;
mod facts;
mod operators;
pub(crate) mod stage;
