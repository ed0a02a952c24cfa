//! What the use cases need from outside.

pub mod credentials;
pub mod identity;
mod key_authenticator;
mod second_factor;

pub use key_authenticator::{KeyAuthenticator, KeyRefused, NoKeys};
pub use second_factor::{FactorError, NoSecondFactor, SecondFactor, Shown};
