//! The archive of raw events.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tradepost_postgres::Database;
use tradepost_service::{Clock, Runtime};

use crate::adapters::archived::ArchivedFiles;
use crate::adapters::objects::{FileLimits, ObjectFiles};
use crate::adapters::postgres::PgAnalytics;
use crate::application::{ArchiveParts, Archiver};
use crate::config::MetricsConfig;
use crate::metrics::ArchiveMetrics;
use crate::ports::{Archived, FileStoreError};

/// Has this process archive, in its turn; not without `retention.store_url`.
///
/// # Errors
/// Fails when the configuration contradicts itself, or the store refuses to be written to. A store
/// that cannot be reached is no reason not to serve: the archiver tries again.
pub async fn start(
    config: &MetricsConfig,
    runtime: &Runtime,
    database: Database,
) -> anyhow::Result<()> {
    if config.retention.store_url.is_none() {
        return Ok(());
    }
    let metrics = ArchiveMetrics::register(&runtime.registry);
    let parts = parts(config, database)?;
    match parts.files.probe().await {
        Ok(()) => {}
        Err(error @ FileStoreError::Refused { .. }) => return Err(of_store(error, config)),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                event = "metrics.archive_unreachable",
                error,
                "tried again later"
            );
        }
    }
    let archiver = Archiver::new(parts, config.retention.limits(), metrics, Clock::system());
    let archiving = archiver.run(runtime.shutdown.clone());
    runtime.tasks.spawn("archive", archiving);
    Ok(())
}

/// The archive to be read, if there is one.
///
/// # Errors
/// Fails when its URL is none to open.
pub(super) fn to_read(config: &MetricsConfig) -> anyhow::Result<Option<Archived>> {
    let Some(url) = config.retention.store_url.as_deref() else {
        return Ok(None);
    };
    let files = ObjectFiles::open(url, FileLimits::of_rows(config.retention.file_rows_max))
        .with_context(|| format!("retention.store_url = {url}"))?;
    Ok(Some(Arc::new(ArchivedFiles::new(files.store()))))
}

/// The archiver of a command that takes days away. No day is on its way yet when the store is found
/// out of reach, or not to be written to.
///
/// # Errors
/// As [`start`], and when the store cannot be reached; and without `retention.store_url`.
pub(crate) async fn archiver_at_hand(
    config: &MetricsConfig,
    database: Database,
) -> anyhow::Result<Archiver> {
    let parts = parts(config, database)?;
    let probed = parts.files.probe().await;
    probed.map_err(|error| of_store(error, config))?;
    Ok(of(parts, config))
}

/// The archiver of a command that takes nothing away.
///
/// # Errors
/// As [`start`], but that nothing is tried yet; and without `retention.store_url`.
pub(crate) fn archiver(config: &MetricsConfig, database: Database) -> anyhow::Result<Archiver> {
    Ok(of(parts(config, database)?, config))
}

fn of(parts: ArchiveParts, config: &MetricsConfig) -> Archiver {
    let (limits, metrics) = (config.retention.limits(), ArchiveMetrics::default());
    Archiver::new(parts, limits, metrics, Clock::system())
}

fn of_store(error: FileStoreError, config: &MetricsConfig) -> anyhow::Error {
    let url = config.retention.store_url.as_deref().unwrap_or_default();
    anyhow::Error::new(error).context(format!("retention.store_url = {url}"))
}

fn parts(config: &MetricsConfig, database: Database) -> anyhow::Result<ArchiveParts> {
    let (retention, analytics) = (&config.retention, &config.analytics);
    let Some(url) = retention.store_url.as_deref() else {
        bail!("retention.store_url is not set: there is no archive");
    };
    ensure!(
        retention.keep_days > analytics.days_behind,
        "retention.keep_days = {} must be more than analytics.days_behind = {}: a day would get a \
         partition to lose it",
        retention.keep_days,
        analytics.days_behind
    );
    // The turn, the rows of three days, the names of their types, and one for whoever else asks.
    ensure!(
        config.database.max_connections >= 6,
        "database.max_connections = {} is too few to archive: it takes 6",
        config.database.max_connections
    );
    let files = ObjectFiles::open(url, FileLimits::of_rows(retention.file_rows_max))
        .with_context(|| format!("retention.store_url = {url}"))?;
    let store = Arc::new(PgAnalytics::new(database, analytics.store()));
    Ok(ArchiveParts {
        returns: store.clone(),
        store,
        files: Arc::new(files),
    })
}
