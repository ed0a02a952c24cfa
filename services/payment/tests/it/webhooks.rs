//! Hints of the provider.
