//! Files: the snapshot of a node on its own disk.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use crate::ports::{SnapshotStore, SnapshotStoreError};

/// One file, replaced as a whole: a process or a machine that dies leaves the old one or the new.
#[derive(Debug)]
pub struct SnapshotFile {
    paths: Arc<Paths>,
}

#[derive(Debug)]
struct Paths {
    path: PathBuf,
    /// Held as long as the process lives: two that write one file would each undo the other.
    _lock: File,
}

impl SnapshotFile {
    /// The file at `path`, whose directory is made if it is not there.
    ///
    /// # Errors
    /// Fails when another process has it, or the directory cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(directory) = directory(path) {
            fs::create_dir_all(directory)?;
        }
        let lock = File::create(path.with_extension("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process has this snapshot file"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let paths = Paths {
            path: path.to_owned(),
            _lock: lock,
        };
        Ok(Self {
            paths: Arc::new(paths),
        })
    }

    /// Does something with the disk where that may take its time.
    async fn at_leisure<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, SnapshotStoreError> {
        let paths = Arc::clone(&self.paths);
        let done = tokio::task::spawn_blocking(move || act(&paths.path)).await;
        done.map_err(io::Error::other)
            .flatten()
            .map_err(SnapshotStoreError)
    }
}

#[async_trait]
impl SnapshotStore for SnapshotFile {
    async fn load(&self) -> Result<Option<Vec<u8>>, SnapshotStoreError> {
        self.at_leisure(|path| match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn save(&self, bytes: Vec<u8>) -> Result<(), SnapshotStoreError> {
        self.at_leisure(move |path| {
            let next = path.with_extension("next");
            let mut file = File::create(&next)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&next, path)?;
            // The new name is on the disk only once its directory is.
            File::open(directory(path).unwrap_or(Path::new(".")))?.sync_all()
        })
        .await
    }

    async fn set_aside(&self) -> Result<String, SnapshotStoreError> {
        self.at_leisure(|path| {
            let aside = path.with_extension("damaged");
            fs::rename(path, &aside)?;
            Ok(aside.display().to_string())
        })
        .await
    }
}

/// The directory of a path that names one.
fn directory(path: &Path) -> Option<&Path> {
    path.parent()
        .filter(|directory| !directory.as_os_str().is_empty())
}
