//! Archived events, read out of files in an object store: the end of a file, and of the rest only
//! the pages that have what is wanted (ADR 37).

mod reading;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use moka::sync::Cache;
use object_store::ObjectStore;
use object_store::path::Path;

use crate::adapters::parquet::{FileError, Layout, Opening};
use crate::ports::{ArchiveFiles, ArchivedEvents, ArchivedFile, FileQuestion};
use reading::Reading;

/// What is read of a file's end at once. It holds the layout of all but the largest files.
const END_BYTES: u64 = 64 << 10;
/// Layouts that are kept: a file never changes, and a page is seldom the last that is asked for.
const LAYOUT_BYTES_MAX: u64 = 32 << 20;

/// The archive. Cheap to clone.
#[derive(Clone)]
pub struct ArchivedFiles {
    store: Arc<dyn ObjectStore>,
    layouts: Cache<String, Arc<Layout>>,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the object store failed")]
    Store(#[from] object_store::Error),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("it has other events than the manifest says")]
    Differs,
    #[error("it could not be decoded")]
    Undecoded,
}

impl ArchivedFiles {
    /// The archive in that store.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        let memory =
            |_: &String, layout: &Arc<Layout>| u32::try_from(layout.memory()).unwrap_or(u32::MAX);
        let layouts = Cache::builder().weigher(memory);
        Self {
            store,
            layouts: layouts.max_capacity(LAYOUT_BYTES_MAX).build(),
        }
    }

    async fn layout(&self, file: &ArchivedFile) -> Result<Arc<Layout>, ReadError> {
        if let Some(layout) = self.layouts.get(&file.path) {
            return Ok(layout);
        }
        let mut opening = Opening::new(file.bytes)?;
        let end = file.bytes.saturating_sub(END_BYTES)..file.bytes;
        let mut wanted = vec![end];
        loop {
            let bytes = self.fetch(&file.path, &wanted).await?;
            opening.push(wanted, bytes)?;
            match opening.step()? {
                Ok(layout) => {
                    let layout = Arc::new(layout);
                    self.layouts.insert(file.path.clone(), Arc::clone(&layout));
                    return Ok(layout);
                }
                Err(ranges) => wanted = ranges,
            }
        }
    }

    /// Ranges of a file; those that lie close together are one request.
    async fn fetch(&self, path: &str, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, ReadError> {
        Ok(self.store.get_ranges(&Path::from(path), ranges).await?)
    }
}

impl fmt::Debug for ArchivedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchivedFiles")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ArchiveFiles for ArchivedFiles {
    fn read(&self, file: &ArchivedFile, question: &FileQuestion) -> Box<dyn ArchivedEvents> {
        Box::new(Reading::new(self.clone(), file.clone(), question.clone()))
    }
}
