//! Tells the plans of tenants to those who must know them and cannot read them here.
//!
//! The database knows what was told, so nothing is lost with a process, and each process tells what
//! it finds untold: at least once, often twice when there are several. Versions keep the order.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ports::identity::{PlanStore, StoreError, UntoldPlan};
use crate::ports::{PlanListener, Untold};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it waits after nobody listened.
const PAUSE: Duration = Duration::from_secs(5);
/// Plans that are read at once.
const PAGE: i64 = 100;

/// Why a round ended before its end.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Untold(#[from] Untold),
}

/// Tells the plans of tenants.
pub struct TellPlans {
    /// Who knows what has to be told.
    pub store: Arc<dyn PlanStore>,
    /// Who is told.
    pub listener: Arc<dyn PlanListener>,
}

impl TellPlans {
    /// Tells what is untold, again and again, until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut is_failing = false;
        loop {
            let round = tokio::select! {
                () = shutdown.cancelled() => return,
                round = self.round() => round,
            };
            let pause = match round {
                Ok(()) => {
                    is_failing = false;
                    INTERVAL
                }
                Err(error) => {
                    if !is_failing {
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(
                            event = "tenant.plans_untold",
                            error,
                            "the metrics service does not learn the plans of tenants; tried again"
                        );
                    }
                    is_failing = true;
                    PAUSE
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tells all that is untold.
    async fn round(&self) -> Result<(), Interrupted> {
        let mut after = None;
        loop {
            let plans = self.store.untold(after, PAGE).await?;
            let Some(last) = plans.last() else {
                return Ok(());
            };
            after = Some(last.tenant);
            for plan in &plans {
                self.tell(plan).await?;
            }
        }
    }

    async fn tell(&self, plan: &UntoldPlan) -> Result<(), Interrupted> {
        let told = self.listener.tell(plan.tenant, plan.plan, plan.version);
        match told.await {
            Ok(()) => Ok(self.store.told(plan).await?),
            Err(Untold::Refused(why)) => {
                tracing::error!(
                    event = "tenant.plan_refused",
                    tenant.id = %plan.tenant,
                    why,
                    "the metrics service does not take the plan of a tenant; tried again"
                );
                Ok(())
            }
            Err(unreachable @ Untold::Unreachable(_)) => Err(unreachable.into()),
        }
    }
}
