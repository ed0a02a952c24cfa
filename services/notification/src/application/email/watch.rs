//! Measures how long what is due has waited.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics::EmailMetrics;
use crate::ports::email::EmailAges;

/// How often it is measured.
const LOOK: Duration = Duration::from_secs(10);

/// Measures the age of the oldest e-mail that is due.
pub struct WatchEmails {
    ages: Arc<dyn EmailAges>,
    metrics: EmailMetrics,
}

impl WatchEmails {
    /// Of what these are.
    #[must_use]
    pub fn new(ages: Arc<dyn EmailAges>, metrics: EmailMetrics) -> Self {
        Self { ages, metrics }
    }

    /// Measures until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let watching = async {
            loop {
                self.look().await;
                tokio::time::sleep(LOOK).await;
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(watching).await;
    }

    /// Measures once. The last measure stays while the database cannot be asked.
    pub async fn look(&self) {
        match self.ages.oldest_due().await {
            Ok(age) => self.metrics.oldest_due(age.unwrap_or_default()),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                let event = "notification.email_age_unknown";
                tracing::warn!(
                    event,
                    error,
                    "the age of what is due is measured again later"
                );
            }
        }
    }
}
