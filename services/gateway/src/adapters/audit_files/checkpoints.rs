//! Checkpoints in files: one line each, a file a month, only ever appended to.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::fs::{self, OpenOptions};
use tokio::io::AsyncWriteExt;

use super::keys::{PublicKey, SigningKey};
use crate::domain::audit::{Checkpoint, Digest, Kind};
use crate::ports::audit::{CheckpointVault, VaultError};

const SUFFIX: &str = ".ndjson";

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    kind: String,
    chain: String,
    seq: i64,
    hash: String,
    #[serde(with = "time::serde::rfc3339")]
    time: OffsetDateTime,
    /// The name of the key.
    key: String,
    /// Of the canonical bytes of the checkpoint, in base64.
    signature: String,
}

impl Line {
    fn of(point: &Checkpoint, key: &SigningKey) -> Self {
        Self {
            kind: point.kind.as_str().to_owned(),
            chain: point.chain.to_string(),
            seq: point.seq,
            hash: hex::encode(point.hash),
            time: point.time,
            key: key.public().id(),
            signature: STANDARD.encode(key.sign(&point.canonical())),
        }
    }

    /// The checkpoint, if one of the keys has signed it.
    fn verified(&self, keys: &[PublicKey]) -> Option<Checkpoint> {
        let kind = match self.kind.as_str() {
            "mark" => Kind::Mark,
            "cut" => Kind::Cut,
            _ => return None,
        };
        let mut hash = Digest::default();
        hex::decode_to_slice(&self.hash, &mut hash).ok()?;
        let point = Checkpoint {
            kind,
            chain: self.chain.parse().ok()?,
            seq: self.seq,
            hash,
            time: self.time,
        };
        let signature = STANDARD.decode(&self.signature).ok()?;
        let bytes = point.canonical();
        let mut keys = keys.iter().filter(|key| key.id() == self.key);
        keys.any(|key| key.verifies(&bytes, &signature))
            .then_some(point)
    }
}

/// What a folder of checkpoints holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Those whose signature is good.
    pub good: Vec<Checkpoint>,
    /// Lines that are none, or are signed by no known key: `file:line`.
    pub bad: Vec<String>,
}

/// Reads the checkpoints of a folder. A last line without its end was cut off by a crash and says
/// nothing.
///
/// # Errors
/// Fails when the folder or a file cannot be read.
pub async fn read_checkpoints(dir: &Path, keys: &[PublicKey]) -> io::Result<Found> {
    let mut found = Found::default();
    let mut entries = fs::read_dir(dir).await?;
    let mut paths = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        let path = entry.path();
        let is_ours = path.file_name().and_then(|name| name.to_str());
        if is_ours.is_some_and(|name| name.ends_with(SUFFIX)) {
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).await?;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let Some(line) = line.strip_suffix('\n') else {
                continue;
            };
            let point = serde_json::from_str::<Line>(line).ok();
            match point.and_then(|line| line.verified(keys)) {
                Some(point) => found.good.push(point),
                None if line.is_empty() => {}
                None => found.bad.push(format!("{}:{}", path.display(), number + 1)),
            }
        }
    }
    Ok(found)
}

/// A folder that checkpoints are appended to.
#[derive(Debug)]
pub struct CheckpointFiles {
    dir: PathBuf,
    key: SigningKey,
}

impl CheckpointFiles {
    /// The folder `dir`, made when it is not there, and the key that signs.
    ///
    /// # Errors
    /// Fails when the folder cannot be made.
    pub async fn open(dir: PathBuf, key: SigningKey) -> io::Result<Self> {
        fs::create_dir_all(&dir).await?;
        Ok(Self { dir, key })
    }

    /// Appends in one write, so that lines of two processes do not mix, and waits for the disk.
    async fn append(&self, name: &str, lines: &str) -> io::Result<()> {
        let path = self.dir.join(name);
        let is_new = !fs::try_exists(&path).await?;
        // What a crash has cut off must not swallow the next line.
        let ends_well = is_new || fs::read(&path).await?.ends_with(b"\n");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .await?;
        if !ends_well {
            file.write_all(b"\n").await?;
        }
        file.write_all(lines.as_bytes()).await?;
        file.sync_all().await?;
        if is_new {
            fs::File::open(&self.dir).await?.sync_all().await?;
        }
        Ok(())
    }
}

#[async_trait]
impl CheckpointVault for CheckpointFiles {
    async fn keep(&self, checkpoints: &[Checkpoint]) -> Result<(), VaultError> {
        let Some(first) = checkpoints.first() else {
            return Ok(());
        };
        let mut lines = String::new();
        for point in checkpoints {
            let line = serde_json::to_string(&Line::of(point, &self.key));
            lines.push_str(&line.map_err(io::Error::other)?);
            lines.push('\n');
        }
        let (year, month) = (first.time.year(), u8::from(first.time.month()));
        let name = format!("checkpoints-{year:04}-{month:02}{SUFFIX}");
        Ok(self.append(&name, &lines).await?)
    }

    async fn load(&self) -> Result<Vec<Checkpoint>, VaultError> {
        let found = read_checkpoints(&self.dir, &[self.key.public()]).await?;
        for place in &found.bad {
            tracing::warn!(
                event = "audit.checkpoint_unreadable",
                audit.place = place,
                "a line is no checkpoint, or another key has signed it"
            );
        }
        Ok(found.good)
    }
}
