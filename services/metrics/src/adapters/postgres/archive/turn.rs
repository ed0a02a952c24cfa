//! One archiver at a time, in all processes.

use async_trait::async_trait;
use sqlx::Executor;
use tradepost_postgres::SystemTx;

use super::failed;
use crate::ports::{ArchiveError, Turn};

/// The lock lives as long as its transaction, which does nothing else: it holds no snapshot, so it
/// keeps nothing from being vacuumed. With the connection it is gone, and who had it must notice.
struct PgTurn(SystemTx);

pub(super) async fn take(mut tx: SystemTx) -> Result<Option<Box<dyn Turn>>, ArchiveError> {
    let taken: bool =
        sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtextextended('archive', 0))")
            .fetch_one(tx.conn())
            .await
            .map_err(failed)?;
    if taken {
        Ok(Some(Box::new(PgTurn(tx))))
    } else {
        tx.rollback().await;
        Ok(None)
    }
}

#[async_trait]
impl Turn for PgTurn {
    async fn still(&mut self) -> Result<(), ArchiveError> {
        let asked = self.0.conn().execute("select 1").await;
        asked.map_err(|_gone| ArchiveError::TurnLost)?;
        Ok(())
    }
    async fn end(self: Box<Self>) {
        self.0.rollback().await;
    }
}
