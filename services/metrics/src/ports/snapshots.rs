//! Where what was counted survives the process.

use std::sync::Arc;

use async_trait::async_trait;

/// Why a snapshot was not stored or loaded.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot cannot be read or written")]
pub struct SnapshotStoreError(#[source] pub std::io::Error);

/// The last snapshot of this node.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// The snapshot that was stored last, if there ever was one. Must return
    /// [`SnapshotStoreError`] rather than nothing where it cannot tell.
    async fn load(&self) -> Result<Option<Vec<u8>>, SnapshotStoreError>;

    /// Replaces it. Once this returns, [`SnapshotStore::load`] returns these bytes, whatever
    /// happens to the process or the machine; until then, those before or these, never a mixture.
    async fn save(&self, bytes: Vec<u8>) -> Result<(), SnapshotStoreError>;

    /// Puts a snapshot that cannot be read out of the way, where a person finds it. Where it is.
    async fn set_aside(&self) -> Result<String, SnapshotStoreError>;
}

/// A store as the use case holds it.
pub type Snapshots = Arc<dyn SnapshotStore>;
