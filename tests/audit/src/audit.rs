//! One audit: wait for rest, look, check.

use tradepost_provider_sim::witness::{self, Witness, WitnessError};

use crate::check::{Check, Service, Test};
use crate::checks;
use crate::findings::{Finding, Findings, Found};
use crate::rest;
use crate::snapshot::Databases;
use crate::targets::Targets;
use crate::world::World;

/// Why nothing can be said about the system.
#[derive(Debug, thiserror::Error)]
pub enum CannotAudit {
    /// The URL is none.
    #[error("the PostgreSQL URL cannot be read")]
    Url {
        /// Why.
        source: sqlx::Error,
    },
    /// A database does not answer, or not as expected.
    #[error("the database of {} does not answer", service.name())]
    Database {
        /// Whose.
        service: Service,
        /// Why.
        source: sqlx::Error,
    },
    /// There is no connection to it.
    #[error("there is no connection to the database of {}", service.name())]
    NotConnected {
        /// Whose.
        service: Service,
    },
    /// Row-level security would hide rows from the auditor.
    #[error("the role does not see every row of {}: it must be a superuser", service.name())]
    Blind {
        /// Whose database.
        service: Service,
    },
    /// A row has a state that the auditor does not know: it is older than the system.
    #[error("{what} is unknown to this auditor")]
    Unknown {
        /// Which state of what.
        what: String,
    },
    /// The provider's log cannot be read.
    #[error("the provider's log is no witness")]
    Log(#[from] WitnessError),
    /// The provider forgot what happened before.
    #[error("the provider was reset {resets} times: its log is no witness of what was before")]
    Reset {
        /// How often.
        resets: u64,
    },
    /// The log of some other provider, or none at all.
    #[error("there are {payments} payments, and the provider's log is empty")]
    EmptyLog {
        /// How many.
        payments: usize,
    },
}

/// Waits until the system is at rest, takes a snapshot and checks every invariant.
///
/// # Errors
/// [`CannotAudit`] when something could not be looked at; offenders are no error.
pub async fn audit(targets: &Targets) -> Result<Findings, CannotAudit> {
    let mut databases = Databases::connect(targets).await?;
    let (witness, restless) = rest::wait(&mut databases, targets).await?;
    let world = World::load(&mut databases, witness).await?;
    let payments = world.asked_payments();
    if world.witness.entries == 0 && payments > 0 {
        return Err(CannotAudit::EmptyLog { payments });
    }
    let mut invariants = Vec::new();
    let (has_metrics, known) = (databases.has_metrics(), databases.services());
    let asked_for = |check: &Check| match check.test {
        Test::Sql(sql) => sql.on.iter().any(|service| known.contains(service)),
        Test::World(_) => has_metrics || check.invariant != checks::metrics::COUNTED,
        Test::RequestRole => true,
    };
    for check in checks::all().into_iter().filter(asked_for) {
        let mut found = find(&check, &mut databases, &world).await?;
        if check.invariant == checks::messages::PARKED {
            excuse_parked(&mut found, targets.parked_expected);
        }
        invariants.push(Finding {
            group: check.group,
            invariant: check.invariant,
            says: check.says,
            found,
        });
    }
    databases.close().await;
    Ok(Findings {
        restless,
        invariants,
    })
}

pub(crate) fn read_log(targets: &Targets) -> Result<Witness, CannotAudit> {
    let witness = witness::read(&targets.provider_log)?;
    match witness.resets {
        0 => Ok(witness),
        resets => Err(CannotAudit::Reset { resets }),
    }
}

async fn find(
    check: &Check,
    databases: &mut Databases,
    world: &World,
) -> Result<Found, CannotAudit> {
    match check.test {
        Test::Sql(sql) => databases.ask(&sql).await,
        Test::World(find) => Ok(find(world)),
        Test::RequestRole => checks::tenancy::seen_by_requests(databases).await,
    }
}

/// As many parked messages as are known to be poison offend nobody; more or fewer all do.
fn excuse_parked(found: &mut Found, expected: u64) {
    if found.offenders == expected {
        found.offenders = 0;
        found.first.clear();
    } else if found.offenders == 0 {
        found.note(checks::messages::none_parked(expected));
    }
}
