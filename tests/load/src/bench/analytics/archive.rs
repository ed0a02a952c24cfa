//! The oldest days of a history into files, verified and dropped, by the command that does it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use tokio::process::Command;

use super::{admin, space};
use crate::bench::report::{Rows, Unit};
use crate::bench::target::TargetError;

/// What an event may take in a file, when room is looked for.
const EVENT_BYTES: u64 = 16;

/// The archive's command.
#[derive(Debug, Clone)]
pub struct Archive {
    /// The service's program.
    pub program: PathBuf,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// What makes it archive.
    pub arguments: Vec<String>,
    /// Where the files go.
    pub folder: PathBuf,
}

impl Archive {
    /// Archives what is due, and counts events, seconds and bytes.
    ///
    /// # Errors
    /// [`TargetError`]; also where the command fails, or files and database together do not have
    /// what the database had.
    pub async fn run(&self, admin_url: &str, log: &Path) -> Result<Rows, TargetError> {
        let before = raw(admin_url).await?;
        std::fs::create_dir_all(&self.folder)?;
        space::check(
            &self.folder,
            "the archive",
            before.unsigned_abs() * EVENT_BYTES,
        )?;
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)?;
        let started = Instant::now();
        let status = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .await?;
        let took = started.elapsed();
        if !status.success() {
            return Err(TargetError::Wrong(format!(
                "the archive's command: {status}"
            )));
        }
        let gone = before - raw(admin_url).await?;
        let statement = "select coalesce(sum(rows), 0)::bigint from archive_files";
        let told: i64 = sqlx::query_scalar(statement)
            .fetch_one(&mut admin(admin_url).await?)
            .await?;
        let bytes = space::taken(&self.folder)?;
        let mut rows = Rows::default();
        rows.median("archived", gone as f64, Unit::Events);
        let rate = gone as f64 / took.as_secs_f64().max(f64::EPSILON);
        rows.median(
            "archived, verified and dropped",
            rate,
            Unit::EventsPerSecond,
        );
        rows.median(
            "a row in Parquet",
            bytes as f64 / gone.max(1) as f64,
            Unit::Bytes,
        );
        rows.worst(
            "rows dropped and not in the manifest",
            gone.abs_diff(told) as f64,
            Unit::Events,
        );
        Ok(rows)
    }
}

/// Single events in the database.
async fn raw(admin_url: &str) -> Result<i64, TargetError> {
    let statement = "select count(*) from events";
    Ok(sqlx::query_scalar(statement)
        .fetch_one(&mut admin(admin_url).await?)
        .await?)
}
