//! The log: many callers, one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use sqlx::Executor;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tradepost_gateway::adapters::postgres::audit::{PgAudit, append};
use tradepost_gateway::application::{AuditLimits, AuditLog, AuditUnavailable};
use tradepost_gateway::domain::audit::{Chain, Entry, Recorded};
use tradepost_gateway::metrics::AuditMetrics;
use tradepost_gateway::ports::audit::{AuditJournal, AuditStoreError};
use tradepost_postgres::Database;
use tradepost_service::Tasks;
use tradepost_telemetry::Registry;
use tradepost_testkit::{Fault, FaultProxy, eventually};

use super::support::{Stage, a_chain, assert_linked, entry};

const LIMITS: AuditLimits = AuditLimits {
    queue_max: 1_000,
    batch_max: 100,
    wait_max: Duration::from_secs(60),
};

/// Writes only as often as it is let, and counts how often.
struct Valve {
    inner: PgAudit,
    open: Semaphore,
    calls: AtomicUsize,
}

#[async_trait]
impl AuditJournal for Valve {
    async fn append(&self, entries: &[Entry]) -> Result<Vec<Recorded>, AuditStoreError> {
        self.open.acquire().await.unwrap().forget();
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inner.append(entries).await
    }
}

struct Process {
    log: AuditLog,
    tasks: Tasks,
    registry: Registry,
}

fn process(journal: Arc<dyn AuditJournal>, limits: AuditLimits) -> Process {
    let tasks = Tasks::new(CancellationToken::new());
    let registry = Registry::new("test");
    let metrics = AuditMetrics::register(&registry);
    Process {
        log: AuditLog::new(journal, metrics, limits, tasks.clone()),
        tasks,
        registry,
    }
}

fn journal(stage: &Stage) -> PgAudit {
    PgAudit::new(stage.second(), &stage.test_database.config())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_a_transaction_and_each_is_told_its_place() {
    let stage = Stage::new().await;
    let valve = Arc::new(Valve {
        inner: journal(&stage),
        open: Semaphore::new(0),
        calls: AtomicUsize::new(0),
    });
    let process = process(Arc::clone(&valve) as _, LIMITS);
    let chains = [a_chain().1, a_chain().1, Chain::Platform];

    let callers = (0..90).map(|n: usize| {
        let (log, chain) = (process.log.clone(), chains[n % 3]);
        tokio::spawn(async move { log.record(entry(chain)).await })
    });
    let callers: Vec<_> = callers.collect();
    eventually("the others wait", LIMITS.wait_max, async || {
        // One batch is with the valve, the others wait.
        let text = process.registry.render().unwrap();
        let queued = text
            .lines()
            .find_map(|line| line.strip_prefix("tradepost_audit_queued "));
        (queued.unwrap().parse::<usize>().unwrap() >= 60).then_some(())
    })
    .await;
    valve.open.add_permits(90);
    let mut recorded: Vec<Recorded> = Vec::new();
    for answer in join_all(callers).await {
        recorded.push(answer.unwrap().unwrap());
    }

    assert!(valve.calls.load(Ordering::SeqCst) <= 32);
    for chain in chains {
        let rows = stage.rows(chain).await;
        assert_linked(&rows, chain);
        let mut seqs: Vec<i64> = recorded
            .iter()
            .filter(|recorded| recorded.chain == chain)
            .map(|recorded| recorded.seq)
            .collect();
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=30).collect::<Vec<i64>>());
        assert_eq!(rows.len(), 30);
    }
    let text = process.registry.render().unwrap();
    assert!(
        text.contains("tradepost_audit_entries_total{outcome=\"attempted\"} 90"),
        "{text}"
    );
    assert!(text.contains("tradepost_audit_queued 0"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_answered_after_the_commit_and_not_before() {
    let stage = Stage::new().await;
    let (_, chain) = a_chain();
    let process = process(Arc::new(journal(&stage)), LIMITS);

    for n in 1..=5 {
        process.log.record(entry(chain)).await.unwrap();
        assert_eq!(stage.rows(chain).await.len(), n);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_an_error_of_the_caller() {
    let stage = Stage::new().await;
    let (_, chain) = a_chain();
    let process = process(Arc::new(journal(&stage)), LIMITS);
    let mut admin = stage.test_database.admin().await;
    admin
        .execute("revoke insert on audit_entries from tradepost_system")
        .await
        .unwrap();

    let refused = process.log.record(entry(chain)).await;
    admin
        .execute("grant insert on audit_entries to tradepost_system")
        .await
        .unwrap();
    let written = process.log.record(entry(chain)).await;

    assert_eq!(refused, Err(AuditUnavailable));
    assert_eq!(written.map(|recorded| recorded.seq), Ok(1));
    assert_linked(&stage.rows(chain).await, chain);
    let text = process.registry.render().unwrap();
    assert!(text.contains("tradepost_audit_failures_total 1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_an_error_and_its_return_is_noticed() {
    let stage = Stage::new().await;
    let (_, chain) = a_chain();
    let mut config = stage.test_database.config();
    let proxy = FaultProxy::before(&config.system_url).await;
    config.system_url = proxy.rewrite(&config.system_url);
    let database = Database::connect_lazy(&config, "test").unwrap();
    let process = process(Arc::new(PgAudit::new(database, &config)), LIMITS);
    process.log.record(entry(chain)).await.unwrap();

    proxy.set(Fault::Reset);
    let refused = process.log.record(entry(chain)).await;
    proxy.set(Fault::None);
    let written = eventually("it is back", LIMITS.wait_max, async || {
        process.log.record(entry(chain)).await.ok()
    })
    .await;

    assert_eq!(refused, Err(AuditUnavailable));
    assert_eq!(written.seq, 2, "nothing was written in between");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_locked_does_not_stop_the_others() {
    let stage = Stage::new().await;
    let ((tenant, locked), (_, free)) = (a_chain(), a_chain());
    let mut config = stage.test_database.config();
    config.lock_timeout_ms = 300;
    let database = Database::connect_lazy(&config, "test").unwrap();
    let valve = Arc::new(Valve {
        inner: PgAudit::new(database, &config),
        open: Semaphore::new(100),
        calls: AtomicUsize::new(0),
    });
    let process = process(valve, LIMITS);
    let mut holder = stage.database.tenant_tx(tenant).await.unwrap();
    append(holder.conn(), &entry(locked)).await.unwrap();

    let (first, second, third) = tokio::join!(
        process.log.record(entry(free)),
        process.log.record(entry(locked)),
        process.log.record(entry(free)),
    );
    holder.commit().await.unwrap();

    assert_eq!(first.map(|recorded| recorded.seq), Ok(1));
    assert_eq!(second, Err(AuditUnavailable));
    assert_eq!(third.map(|recorded| recorded.seq), Ok(2));
    assert_linked(&stage.rows(locked).await, locked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_a_slow_write_is_not_waited_for_without_end() {
    let stage = Stage::new().await;
    let (_, chain) = a_chain();
    let valve = Arc::new(Valve {
        inner: journal(&stage),
        open: Semaphore::new(0),
        calls: AtomicUsize::new(0),
    });
    let limits = AuditLimits {
        queue_max: 0,
        ..LIMITS
    };
    let full = process(Arc::clone(&valve) as _, limits);
    let limits = AuditLimits {
        wait_max: Duration::from_millis(50),
        ..LIMITS
    };
    let slow = process(Arc::clone(&valve) as _, limits);

    assert_eq!(full.log.record(entry(chain)).await, Err(AuditUnavailable));
    assert_eq!(slow.log.record(entry(chain)).await, Err(AuditUnavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_writes_what_is_queued() {
    let stage = Stage::new().await;
    let (_, chain) = a_chain();
    let valve = Arc::new(Valve {
        inner: journal(&stage),
        open: Semaphore::new(0),
        calls: AtomicUsize::new(0),
    });
    let process = process(Arc::clone(&valve) as _, LIMITS);
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let log = process.log.clone();
            process
                .tasks
                .detach(async move { log.record(entry(chain)).await })
        })
        .collect();

    let drained = tokio::spawn({
        let tasks = process.tasks.clone();
        async move { tasks.drained().await }
    });
    valve.open.add_permits(100);
    drained.await.unwrap();

    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(stage.rows(chain).await.len(), 20);
}
