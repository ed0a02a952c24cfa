//! Transactions that survive being dropped anywhere.
//!
//! sqlx up to 0.9.0 returns a connection to its pool *inside* an open transaction when the future
//! of its `begin()` is dropped, and every handler of a request is such a future. Therefore BEGIN is
//! sent by us, after a [`Lease`] guards the connection. A lease that is dropped before commit sends
//! ROLLBACK from a task of its own; if that is not answered in time, the connection is closed.
//!
//! Do not call sqlx's `begin()` on [`TenantTx::conn`]: sqlx does not know of our BEGIN and would
//! commit the outer transaction. Use `savepoint`; commit detects the mistake and fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool, Postgres, SqlSafeStr, SqlStr};
use tokio::runtime::Handle;
use tradepost_types::TenantId;

use crate::DbError;

/// How long the roll-back of an abandoned transaction may take before the connection is closed.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(2);

/// COMMIT answers "ROLLBACK" *without an error* in a transaction that has already failed, and only
/// warns when there is none. A savepoint can be set in a live transaction only, so this one turns
/// both into errors, in the same round trip.
const COMMIT: &str = "savepoint alive; commit";

/// A transaction in which row-level security shows one tenant's rows only.
#[derive(Debug)]
pub struct TenantTx {
    lease: Lease,
    tenant: TenantId,
}

impl TenantTx {
    pub(crate) async fn begin(pool: &Pool, tenant: TenantId) -> Result<Self, DbError> {
        // The id is typed, so its text is hexadecimal digits and dashes: safe to write into SQL,
        // which is what lets both statements share one round trip.
        let begin = format!(
            "begin; select set_config('app.tenant_id', '{}', true)",
            tenant.as_uuid()
        );
        let lease = Lease::begin(pool, AssertSqlSafe(begin).into_sql_str()).await?;
        Ok(Self { lease, tenant })
    }

    /// Reads at one moment. The tenant is set by a command that takes no snapshot: the moment is
    /// that of the first statement, so that locks may come before it.
    pub(crate) async fn snapshot(
        pool: &Pool,
        tenant: TenantId,
        idle_max: Duration,
    ) -> Result<Self, DbError> {
        let begin = format!(
            "begin isolation level repeatable read read only; set local app.tenant_id = '{}';
             set local idle_in_transaction_session_timeout = {}",
            tenant.as_uuid(),
            idle_max.as_millis()
        );
        let lease = Lease::begin(pool, AssertSqlSafe(begin).into_sql_str()).await?;
        Ok(Self { lease, tenant })
    }

    /// The connection, for queries inside this transaction.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.lease.conn()
    }

    /// Whose rows this transaction sees.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Commits.
    ///
    /// # Errors
    /// [`DbError::CommitUnknown`] if the connection broke before the server answered.
    pub async fn commit(self) -> Result<(), DbError> {
        self.lease.commit().await
    }

    /// Rolls back and waits until it is done; dropping does the same in the background.
    pub async fn rollback(self) {
        self.lease.rollback().await;
    }
}

/// A transaction of the system role, whose explicit policies show all tenants' rows.
#[derive(Debug)]
pub struct SystemTx {
    lease: Lease,
}

impl SystemTx {
    pub(crate) async fn begin(pool: &Pool) -> Result<Self, DbError> {
        let lease = Lease::begin(pool, "begin".into_sql_str()).await?;
        Ok(Self { lease })
    }

    /// The connection, for queries inside this transaction.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.lease.conn()
    }

    /// Commits.
    ///
    /// # Errors
    /// [`DbError::CommitUnknown`] if the connection broke before the server answered.
    pub async fn commit(self) -> Result<(), DbError> {
        self.lease.commit().await
    }

    /// Rolls back and waits until it is done; dropping does the same in the background.
    pub async fn rollback(self) {
        self.lease.rollback().await;
    }
}

/// A pool that knows how many of its connections are at work: the pool itself counts those that it
/// fails to open as well.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) inner: PgPool,
    lent: Arc<AtomicU32>,
}

impl Pool {
    pub(crate) fn new(inner: PgPool) -> Self {
        let lent = Arc::default();
        Self { inner, lent }
    }

    pub(crate) fn connections_max(&self) -> u32 {
        self.inner.options().get_max_connections()
    }
}

/// One connection at work, for as long as this lives.
#[derive(Debug)]
struct Lent(Arc<AtomicU32>);

impl Lent {
    fn one_more(count: &Arc<AtomicU32>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection on loan that must not go back to the pool inside a transaction.
#[derive(Debug)]
struct Lease {
    _lent: Lent,
    /// Always there until `drop`.
    connection: Option<PoolConnection<Postgres>>,
    state: State,
    /// The drop may happen on a thread that is outside the runtime.
    runtime: Handle,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// BEGIN was never sent, or the end was confirmed: the connection may be pooled.
    Clean,
    /// BEGIN was, or may have been, sent.
    Open,
    /// The connection failed or its state is unknown: close it.
    Broken,
}

impl Lease {
    /// A connection on which `begin` was answered, within the pool's time limit.
    ///
    /// A connection may have died in the pool. Asking before each use would cost every transaction
    /// a round trip; instead BEGIN is the question, and a dead connection is passed over. Nothing
    /// has been done on it, so that is safe.
    async fn begin(pool: &Pool, begin: SqlStr) -> Result<Self, DbError> {
        let limit = pool.inner.options().get_acquire_timeout();
        let begun = async {
            let mut dead = 0;
            loop {
                let mut lease = Self::acquire(pool).await?;
                match lease.execute(begin.clone()).await {
                    Ok(()) => return Ok(lease),
                    Err(DbError::Unavailable(_)) if dead < pool.connections_max() => {
                        lease.state = State::Broken;
                        dead += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        match tokio::time::timeout(limit, begun).await {
            Ok(result) => result,
            Err(_elapsed) => Err(no_connection(pool)),
        }
    }

    async fn acquire(pool: &Pool) -> Result<Self, DbError> {
        let connection = match pool.inner.acquire().await {
            Err(sqlx::Error::PoolTimedOut) => return Err(no_connection(pool)),
            acquired => acquired?,
        };
        Ok(Self {
            _lent: Lent::one_more(&pool.lent),
            connection: Some(connection),
            state: State::Clean,
            runtime: Handle::current(),
        })
    }

    async fn execute(&mut self, begin: SqlStr) -> Result<(), DbError> {
        // Before the first byte is sent: from here on a drop rolls back.
        self.state = State::Open;
        self.conn().execute(begin).await?;
        Ok(())
    }

    #[expect(clippy::expect_used, reason = "only drop takes the connection out")]
    fn conn(&mut self) -> &mut PgConnection {
        self.connection
            .as_mut()
            .expect("the connection is there until drop")
    }

    async fn commit(mut self) -> Result<(), DbError> {
        // A future dropped during COMMIT leaves `Open`: the roll-back waits for COMMIT's answer
        // and then does nothing, or times out and closes.
        tradepost_crash::point("postgres.before_commit");
        match self.conn().execute(COMMIT).await {
            Ok(_) => {
                tradepost_crash::point("postgres.after_commit");
                self.state = State::Clean;
                Ok(())
            }
            Err(error) => {
                let error = DbError::from_commit(error);
                if let DbError::CommitUnknown(_) = error {
                    self.state = State::Broken;
                }
                Err(error)
            }
        }
    }

    async fn rollback(mut self) {
        if let Some(connection) = self.connection.take() {
            roll_back(connection).await;
        }
    }
}

/// No connection came in time. With all of them at work that is too much work; otherwise none could
/// be opened, or none answered.
fn no_connection(pool: &Pool) -> DbError {
    let at_work = pool.lent.load(Ordering::Relaxed);
    let error = if at_work >= pool.connections_max() {
        sqlx::Error::PoolTimedOut
    } else {
        sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
    };
    DbError::Unavailable(error)
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        // sqlx itself spawns when a pooled connection is dropped and panics outside a runtime.
        let _inside = self.runtime.enter();
        match self.state {
            State::Clean => drop(connection),
            State::Broken => drop(connection.detach()),
            State::Open => {
                // The pool counts the connection as lent until the task ends, so that closing the
                // pool waits for it: that is what tracks the task.
                self.runtime.spawn(roll_back(connection));
            }
        }
    }
}

/// Ends the transaction, or the connection if that cannot be had within the time-out.
async fn roll_back(connection: PoolConnection<Postgres>) {
    let mut suspect = Suspect(Some(connection));
    let Some(connection) = suspect.0.as_mut() else {
        return;
    };
    let answer = tokio::time::timeout(ROLLBACK_TIMEOUT, connection.execute("rollback")).await;
    match answer {
        Ok(Ok(_)) => drop(suspect.0.take()),
        Ok(Err(error)) => {
            tracing::warn!(event = "postgres.rollback.failed", %error, "closing the connection");
        }
        Err(_elapsed) => {
            tracing::warn!(
                event = "postgres.rollback.timed_out",
                "closing the connection"
            );
        }
    }
}

/// A connection that is closed, not pooled, when it is dropped: also when the roll-back itself is
/// cancelled.
struct Suspect(Option<PoolConnection<Postgres>>);

impl Drop for Suspect {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}
