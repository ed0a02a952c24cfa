//! The audit trail's parts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tradepost_service::{Clock, Runtime};

use crate::adapters::audit_files::{CheckpointFiles, SigningKey};
use crate::adapters::postgres::audit::PgAudit;
use crate::application::{AuditKeeper, AuditLimits, AuditLog, AuditPolicy};
use crate::config::AuditConfig;
use crate::metrics::AuditMetrics;
use crate::ports::audit::CheckpointVault;

/// Where calls are recorded; what the trail needs beside runs in a task of its own.
pub(super) async fn audit_log(
    config: &AuditConfig,
    store: &PgAudit,
    runtime: &Runtime,
) -> anyhow::Result<AuditLog> {
    let metrics = AuditMetrics::register(&runtime.registry);
    let vault: Option<Arc<dyn CheckpointVault>> =
        match (&config.checkpoint_dir, &config.signing_key) {
            (Some(dir), Some(key)) => {
                let key = SigningKey::from_pem(key).context("audit.signing_key")?;
                let files = CheckpointFiles::open(dir.clone(), key).await;
                Some(Arc::new(files.context("audit.checkpoint_dir")?))
            }
            (None, None) => {
                tracing::warn!(
                    event = "audit.unsigned",
                    "audit.checkpoint_dir and audit.signing_key are not set: the audit trail has \
                     no checkpoints, and no month of it is ever dropped"
                );
                None
            }
            (Some(_), None) | (None, Some(_)) => {
                anyhow::bail!("audit.checkpoint_dir and audit.signing_key belong together")
            }
        };
    let policy = AuditPolicy {
        entries: config.checkpoint_entries.into(),
        age: time::Duration::seconds(config.checkpoint_seconds.into()),
        keep_months: config.keep_months.into(),
    };
    let keeper = AuditKeeper::new(
        Arc::new(store.clone()),
        vault,
        metrics.clone(),
        policy,
        Clock::system(),
    );
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn("audit-keeper", keeper.run(shutdown));
    let limits = AuditLimits {
        queue_max: config.queue_max,
        batch_max: config.batch_max,
        wait_max: Duration::from_millis(config.write_timeout_ms),
    };
    let tasks = runtime.tasks.clone();
    Ok(AuditLog::new(
        Arc::new(store.clone()),
        metrics,
        limits,
        tasks,
    ))
}
