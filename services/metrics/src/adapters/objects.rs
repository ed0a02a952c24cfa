//! Files of events in an object store, by URL: a folder, S3 or Google's store.
//!
//! An object is uploaded in pieces and there as a whole when the last one was taken: the folder has
//! a file of another name until then, the others show nothing.

mod opening;
mod reading;
mod writing;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, WriteMultipart};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::domain::ArchiveDay;
use crate::ports::{FileFacts, FileStore, FileStoreError, RowsIn, RowsOut};
use writing::Chunk;

/// Bytes after which a file has no further group. A file is in memory when it is read back.
const FILE_BYTES_MAX: usize = 128 * 1_024 * 1_024;
/// Bytes of a piece: S3 takes none below 5 MiB but the last.
const PIECE_BYTES: usize = 8 * 1_024 * 1_024;
/// Pieces that wait, and as many that are under way.
const PIECES_MAX: usize = 2;

/// When a file is full.
#[derive(Debug, Clone, Copy)]
pub struct FileLimits {
    /// Rows.
    pub rows_max: i64,
    /// Bytes.
    pub bytes_max: usize,
}

impl FileLimits {
    /// So many rows, and bytes as far as memory goes.
    #[must_use]
    pub const fn of_rows(rows_max: i64) -> Self {
        Self {
            rows_max,
            bytes_max: FILE_BYTES_MAX,
        }
    }
}

/// Files in an object store.
#[derive(Debug)]
pub struct ObjectFiles {
    store: Arc<dyn ObjectStore>,
    /// The folder, if it is one.
    folder: Option<PathBuf>,
    limits: FileLimits,
}

impl ObjectFiles {
    /// Files in that store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, limits: FileLimits) -> Self {
        Self {
            store,
            folder: None,
            limits,
        }
    }

    /// The store itself, to read parts of files.
    #[must_use]
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    async fn upload(
        &self,
        day: &ArchiveDay,
        chunks: &mut mpsc::Receiver<Chunk>,
    ) -> Result<Vec<FileFacts>, FileStoreError> {
        let mut files = Vec::new();
        let mut open: Option<WriteMultipart> = None;
        while let Some(chunk) = chunks.recv().await {
            let part = i32::try_from(files.len()).unwrap_or(i32::MAX);
            let path = day.path(part);
            let failed = |error| failed(&path, error);
            let mut upload = match open.take() {
                Some(upload) => upload,
                None => {
                    let upload = self.store.put_multipart(&at(&path)).await;
                    WriteMultipart::new_with_chunk_size(upload.map_err(failed)?, PIECE_BYTES)
                }
            };
            match chunk {
                Chunk::Bytes(bytes) => {
                    tradepost_crash::point("metrics.archive.uploading");
                    upload.wait_for_capacity(PIECES_MAX).await.map_err(failed)?;
                    upload.put(bytes);
                    open = Some(upload);
                }
                Chunk::End(written) => {
                    tradepost_crash::point("metrics.archive.before_publish");
                    upload.finish().await.map_err(failed)?;
                    tradepost_crash::point("metrics.archive.after_publish");
                    files.push(written.facts(part, path));
                }
            }
        }
        match open {
            Some(unfinished) => {
                // It is not there and answers nothing; a store that cannot even forget it has said
                // so already.
                let _ = unfinished.abort().await;
                Err(FileStoreError::Interrupted)
            }
            None => Ok(files),
        }
    }

    /// Removes what was being uploaded into the folder by processes that died.
    async fn sweep_folder(&self, prefix: &str) -> Result<u64, FileStoreError> {
        let Some(folder) = self.folder.as_ref().map(|folder| folder.join(prefix)) else {
            return Ok(0);
        };
        let swept = tokio::task::spawn_blocking(move || opening::remove_staged(&folder)).await;
        swept
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(|error| FileStoreError::Unavailable {
                path: prefix.to_owned(),
                source: error.into(),
            })
    }
}

#[async_trait]
impl FileStore for ObjectFiles {
    async fn write(
        &self,
        day: &ArchiveDay,
        rows: RowsIn,
    ) -> Result<Vec<FileFacts>, FileStoreError> {
        let (out, mut chunks) = mpsc::channel(PIECES_MAX);
        let limits = self.limits;
        let encoding = tokio::task::spawn_blocking(move || writing::encode(rows, limits, &out));
        let uploaded = self.upload(day, &mut chunks).await;
        // Whoever encodes notices, and ends.
        drop(chunks);
        let encoded = encoding
            .await
            .map_err(|_panicked| FileStoreError::Interrupted)?;
        match (uploaded, encoded) {
            // What failed first is why the other did.
            (Err(FileStoreError::Interrupted), Err(error)) => Err(error),
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => Err(error),
            (Ok(files), Ok(())) => Ok(files),
        }
    }

    async fn read(
        &self,
        file: &FileFacts,
        out: Option<RowsOut>,
    ) -> Result<FileFacts, FileStoreError> {
        let path = at(&file.path);
        let failed = |error| failed(&file.path, error);
        let got = self.store.get(&path).await.map_err(failed)?;
        let bytes = i64::try_from(got.meta.size).unwrap_or(i64::MAX);
        if bytes != file.bytes {
            return Err(FileStoreError::Damaged {
                path: file.path.clone(),
                what: format!("it has {bytes} bytes, not {}", file.bytes),
            });
        }
        let bytes = got.bytes().await.map_err(failed)?;
        let (part, path) = (file.part, file.path.clone());
        tokio::task::spawn_blocking(move || reading::decode((part, path), bytes, out))
            .await
            .map_err(|_panicked| FileStoreError::Damaged {
                path: file.path.clone(),
                what: "it cannot be decoded".to_owned(),
            })?
    }

    async fn sweep(&self, prefix: &str, keep: &BTreeSet<String>) -> Result<u64, FileStoreError> {
        let failed = |error| failed(prefix, error);
        let listed = self.store.list(Some(&at(prefix)));
        let paths = listed.map_ok(|meta| meta.location);
        let paths: Vec<Path> = paths.try_collect().await.map_err(failed)?;
        let mut swept = self.sweep_folder(prefix).await?;
        for path in paths {
            if keep.contains(path.as_ref()) {
                continue;
            }
            match self.store.delete(&path).await {
                Ok(()) => swept += 1,
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(swept)
    }

    async fn probe(&self) -> Result<(), FileStoreError> {
        // Of its own: two processes that start would take each other's away.
        let name = format!("events/.probe-{}", Uuid::now_v7());
        let path = at(&name);
        let probed = async {
            self.store.put(&path, "probe".into()).await?;
            self.store.get(&path).await?.bytes().await?;
            self.store.delete(&path).await
        };
        // A folder that fails is not far away, and a store without the object has no such bucket.
        probed.await.map_err(|error| match failed(&name, error) {
            FileStoreError::Unavailable { path, source } if self.folder.is_some() => {
                FileStoreError::Refused { path, source }
            }
            FileStoreError::Missing(path) => FileStoreError::Refused {
                path,
                source: "there is no such bucket".into(),
            },
            error @ (FileStoreError::Unavailable { .. }
            | FileStoreError::Refused { .. }
            | FileStoreError::Damaged { .. }
            | FileStoreError::Interrupted
            | FileStoreError::Unwritable(_)) => error,
        })
    }
}

fn at(path: &str) -> Path {
    Path::from(path)
}

fn failed(path: &str, error: Error) -> FileStoreError {
    let path = path.to_owned();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "errors of the library may become more; unknown ones may pass"
    )]
    match error {
        Error::NotFound { .. } => FileStoreError::Missing(path),
        Error::InvalidPath { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::UnknownConfigurationKey { .. } => FileStoreError::Refused {
            path,
            source: error.into(),
        },
        error => FileStoreError::Unavailable {
            path,
            source: error.into(),
        },
    }
}
