//! What keeps a gateway current, on a feed that falls silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tradepost_gateway::adapters::postgres::PgIdentity;
use tradepost_gateway::application::{AccessTokens, Directory, KeepCurrent, Revocations, Sealer};
use tradepost_gateway::domain::revocation::{Revocation, Revoked};
use tradepost_gateway::metrics::IdentityMetrics;
use tradepost_gateway::ports::identity::{Feed, IdentityFeed, StoreError};
use tradepost_postgres::Database;

use crate::stage::{MASTER_KEY, SOON, config};

/// The first question is never answered, as on a connection whose other end is gone; later ones
/// tell of a revocation.
#[derive(Default)]
struct Silent(AtomicU32);

#[async_trait]
impl IdentityFeed for Silent {
    async fn whole(&self) -> Result<Feed, StoreError> {
        self.recent().await
    }

    async fn recent(&self) -> Result<Feed, StoreError> {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
        let now = OffsetDateTime::UNIX_EPOCH;
        let revocation = Revocation {
            what: Revoked::All,
            issued_before: now,
            expires_at: now + Duration::from_secs(60),
        };
        Ok(Feed {
            now,
            began_at: now,
            revocations: vec![revocation],
            tenants: vec![],
            keys: vec![],
        })
    }
}

#[tokio::test]
async fn a_question_that_is_never_answered_is_asked_again() {
    let config = config();
    let nowhere = Database::connect_lazy(&config.database, "test").unwrap();
    let sealer = Arc::new(Sealer::new(&MASTER_KEY.into()).unwrap());
    let revocations = Arc::new(Revocations::default());
    let current = KeepCurrent {
        feed: Arc::new(Silent::default()),
        tokens: Arc::new(AccessTokens::new(config.identity.token_settings(), sealer)),
        revocations: Arc::clone(&revocations),
        directory: Arc::new(Directory::new(Arc::new(PgIdentity::new(nowhere)))),
        interval: Duration::from_millis(300),
        metrics: IdentityMetrics::default(),
    };
    let (shutdown, mut changes) = (CancellationToken::new(), revocations.changes());

    let running = tokio::spawn(current.run(shutdown.clone()));

    let learnt = tokio::time::timeout(SOON, changes.changed()).await;
    learnt.expect("the revocation is learnt").unwrap();
    assert_eq!(revocations.len(), 1);
    shutdown.cancel();
    running.await.unwrap();
}
