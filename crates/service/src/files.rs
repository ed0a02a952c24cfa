//! Files that are read again when they change: keys, trust, certificates.
//!
//! They are compared by content, so that neither a coarse clock nor a swapped link hides a change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

/// The largest file that is read.
const BYTES_MAX: u64 = 1024 * 1024;

/// Some files that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    seen: Option<[u8; 32]>,
}

impl Files {
    pub(crate) fn new<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Self {
        let paths = paths.into_iter().map(|path| path.as_ref().to_owned());
        Self {
            paths: paths.collect(),
            seen: None,
        }
    }

    /// The contents, in order.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let read = |path: &PathBuf| {
            let name = || path.display().to_string();
            let length = std::fs::metadata(path).with_context(name)?.len();
            anyhow::ensure!(length <= BYTES_MAX, "{} is too large", path.display());
            std::fs::read(path).with_context(name)
        };
        self.paths.iter().map(read).collect()
    }

    /// What is in use already is no change.
    pub(crate) fn seen(mut self, contents: &[Vec<u8>]) -> Self {
        self.seen = Some(hash(contents));
        self
    }

    /// Looks every `poll` until shutdown and applies what has changed. What cannot be read or
    /// applied is logged once, and leaves in use what was good.
    pub(crate) async fn follow(
        mut self,
        what: &'static str,
        poll: Duration,
        shutdown: CancellationToken,
        mut apply: impl FnMut(&[Vec<u8>]) -> anyhow::Result<()>,
    ) {
        let mut failed = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(poll) => {}
            }
            let files = self.clone();
            let read = tokio::task::spawn_blocking(move || files.read()).await;
            let changed = match read {
                Ok(Ok(contents)) if self.seen == Some(hash(&contents)) => {
                    failed = false;
                    continue;
                }
                Ok(Ok(contents)) => {
                    self.seen = Some(hash(&contents));
                    failed = false;
                    apply(&contents)
                }
                Ok(Err(error)) => Err(error),
                Err(error) => Err(error.into()),
            };
            match changed {
                Ok(()) => tracing::info!(event = "files.reloaded", what, "what changed is in use"),
                Err(error) if !failed => {
                    failed = true;
                    let error = format!("{error:#}");
                    tracing::error!(event = "files.refused", what, error, "the old stays in use");
                }
                Err(_same) => {}
            }
        }
    }
}

fn hash(contents: &[Vec<u8>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for content in contents {
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    hash.finalize().into()
}
