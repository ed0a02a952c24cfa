//! How users want to be told, as it is kept.

use std::sync::Arc;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::announcements::Reader;
use super::live::StoreError;
use crate::domain::Preferences;

/// What a user prefers, of some revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferred {
    /// What.
    pub preferences: Arc<Preferences>,
    /// Counts the changes, from 1.
    pub revision: u64,
}

/// The same, with when it was changed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPreferences {
    /// What is preferred.
    pub preferred: Preferred,
    /// Since when.
    pub updated_at: OffsetDateTime,
}

/// Who may replace what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Only this revision.
    Revision(u64),
}

/// What users prefer.
#[async_trait]
pub trait PreferenceStore: Send + Sync {
    /// What a user prefers; none: they have never said anything.
    ///
    /// # Errors
    /// The database's.
    async fn find(&self, reader: &Reader) -> Result<Option<StoredPreferences>, StoreError>;

    /// Replaces what a user prefers; none: another revision than the expected one is there.
    ///
    /// # Errors
    /// The database's.
    async fn put(
        &self,
        reader: &Reader,
        preferences: &Preferences,
        expected: Expected,
    ) -> Result<Option<StoredPreferences>, StoreError>;
}
