//! Signed tokens: keys, key sets, and a verifier without loose defaults.
//!
//! The only crate that names `jsonwebtoken`. It knows nothing of users or services: what a token
//! says is the caller's own type.
