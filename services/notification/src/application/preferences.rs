//! How users want to be told.

use std::sync::Arc;

use crate::domain::Preferences;
use crate::ports::{
    Announcement, Announcer, Expected, PreferenceChange, PreferenceStore, Reader, StoreError,
    StoredPreferences,
};

/// Why preferences were not replaced.
#[derive(Debug, thiserror::Error)]
pub enum NotPreferred {
    /// Somebody has changed them since.
    #[error("the preferences have another revision")]
    Stale,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps preferences. Cheap to clone.
#[derive(Clone)]
pub struct KeepPreferences {
    store: Arc<dyn PreferenceStore>,
    announcer: Announcer,
}

impl KeepPreferences {
    /// Keeps them in this store, and announces them to connections.
    #[must_use]
    pub const fn new(store: Arc<dyn PreferenceStore>, announcer: Announcer) -> Self {
        Self { store, announcer }
    }

    /// What a user prefers; none: they have never said anything.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, reader: &Reader) -> Result<Option<StoredPreferences>, StoreError> {
        self.store.find(reader).await
    }

    /// Replaces what a user prefers. Their connections on this node follow it before anything that is
    /// announced here later.
    ///
    /// # Errors
    /// [`NotPreferred`]; nothing is replaced then.
    pub async fn put(
        &self,
        reader: &Reader,
        preferences: &Preferences,
        expected: Expected,
    ) -> Result<StoredPreferences, NotPreferred> {
        let stored = self.store.put(reader, preferences, expected).await?;
        let stored = stored.ok_or(NotPreferred::Stale)?;
        let change = PreferenceChange {
            reader: reader.clone(),
            revision: stored.preferred.revision,
            preferences: Some(Arc::clone(&stored.preferred.preferences)),
        };
        self.announcer
            .announce(vec![Announcement::Preferences(change)]);
        Ok(stored)
    }
}
