//! Database failures sorted by what a caller can do about them.

use crate::Abandoned;

/// What went wrong, by what the caller can do next.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection, no free connection in time, or the server is going away, only a standby, or
    /// at fault itself: nothing was committed, try later.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The transaction lost against another one (serialization failure, deadlock, lock time-out):
    /// run it again from its start, see [`crate::retrying`].
    #[error("the transaction lost against a concurrent one")]
    SerializationFailure(#[source] sqlx::Error),
    /// A constraint refused the write. The adapter turns the name into a domain error.
    #[error("the constraint \"{name}\" refused the write")]
    Constraint {
        /// The constraint's name; for `not null`, which has none, `table.column`.
        name: String,
    },
    /// The connection broke while COMMIT was under way: it may or may not have happened. Only work
    /// that recognises its own repetition (inbox, idempotency key) may be tried again.
    #[error("the connection was lost during commit; the outcome is unknown")]
    CommitUnknown(#[source] sqlx::Error),
    /// The schema is not the one this binary was built for. Only `Database::migrate` returns it.
    #[error("schema: {0}")]
    Schema(String),
    /// Anything else: a fault in the query or the row's shape, which no retry will mend.
    #[error("the query failed")]
    Query(#[source] sqlx::Error),
}

impl DbError {
    /// Whether the same work, done again later, may succeed. After [`DbError::CommitUnknown`] that
    /// holds for work that recognises its own repetition; all of ours must.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::SerializationFailure(_) | Self::CommitUnknown(_) => true,
            Self::Constraint { .. } | Self::Schema(_) | Self::Query(_) => false,
        }
    }

    /// Whether all connections were busy for so long that the caller gave up: the database is
    /// there, and there is more to do than it can.
    #[must_use]
    pub const fn is_overload(&self) -> bool {
        matches!(self, Self::Unavailable(sqlx::Error::PoolTimedOut))
    }

    /// Whether the server ended the statement because it took too long. Who did several things in one
    /// transaction may do each alone: each may be little enough.
    #[must_use]
    pub fn is_statement_timeout(&self) -> bool {
        let Self::Unavailable(error) = self else {
            return false;
        };
        let code = error.as_database_error().and_then(|answer| answer.code());
        code.as_deref() == Some("57014")
    }

    /// The name of the constraint that refused the write, if one did.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        if let Self::Constraint { name } = self {
            Some(name)
        } else {
            None
        }
    }

    /// The same failure for another caller of the same transaction.
    #[must_use]
    pub fn alike(&self) -> Self {
        let text = |error: &sqlx::Error| {
            if matches!(error, sqlx::Error::PoolTimedOut) {
                sqlx::Error::PoolTimedOut
            } else {
                sqlx::Error::Protocol(error.to_string())
            }
        };
        match self {
            Self::Unavailable(error) => Self::Unavailable(text(error)),
            Self::SerializationFailure(error) => Self::SerializationFailure(text(error)),
            Self::CommitUnknown(error) => Self::CommitUnknown(text(error)),
            Self::Query(error) => Self::Query(text(error)),
            Self::Constraint { name } => Self::Constraint { name: name.clone() },
            Self::Schema(text) => Self::Schema(text.clone()),
        }
    }

    /// Whether one call of a batch may be at fault, so that the others would succeed without it;
    /// otherwise all of them failed alike.
    #[must_use]
    pub fn may_be_of_one(&self) -> bool {
        match self {
            Self::SerializationFailure(_) | Self::Constraint { .. } => true,
            Self::Query(error) => is_of_a_row(error),
            Self::Unavailable(_) | Self::CommitUnknown(_) | Self::Schema(_) => false,
        }
    }

    /// Sorts a failure of COMMIT: without an answer from the server the outcome is unknown.
    pub(crate) fn from_commit(error: sqlx::Error) -> Self {
        let answered = error.as_database_error().and_then(|answer| answer.code());
        match answered.as_deref() {
            // The session was ended while COMMIT ran: the record may already be on its way.
            None => Self::CommitUnknown(error),
            Some(code) if is_session_end(code) || is_server_fault(code) => {
                Self::CommitUnknown(error)
            }
            Some(_) => error.into(),
        }
    }
}

impl From<Abandoned> for DbError {
    fn from(Abandoned: Abandoned) -> Self {
        Self::CommitUnknown(sqlx::Error::WorkerCrashed)
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let Some(answer) = error.as_database_error() else {
            return if is_connection_failure(&error) {
                Self::Unavailable(error)
            } else {
                Self::Query(error)
            };
        };
        match answer.code().as_deref().unwrap_or_default() {
            // serialization failure, deadlock, lock not available
            "40001" | "40P01" | "55P03" => Self::SerializationFailure(error),
            code if code.starts_with("23") => Self::Constraint {
                name: constraint_name(answer),
            },
            // A standby, or a primary that was made one: it takes no writes.
            "25006" => Self::Unavailable(error),
            // Connection exceptions, exhausted resources, statement time-out and other interventions.
            code if ["08", "53", "57"]
                .iter()
                .any(|class| code.starts_with(class))
                || is_session_end(code)
                || is_server_fault(code) =>
            {
                Self::Unavailable(error)
            }
            _ => Self::Query(error),
        }
    }
}

/// Administrator's shutdown, crash, start-up, dropped database, idle (in transaction) time-outs.
fn is_session_end(code: &str) -> bool {
    matches!(
        code,
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "25P03" | "25P04"
    )
}

/// An I/O error, or what the server itself calls internal: no statement is to blame.
fn is_server_fault(code: &str) -> bool {
    code.starts_with("58") || code.starts_with("XX")
}

/// Whether a failed query may be the fault of a row: not where the session, the rights or the schema
/// are not those that the statement is made for, whatever its rows are.
fn is_of_a_row(error: &sqlx::Error) -> bool {
    let Some(answer) = error.as_database_error() else {
        // What is left of the failure of others, see `alike`.
        return !matches!(error, sqlx::Error::Protocol(_));
    };
    let code = answer.code().unwrap_or_default();
    let of_all = ["25", "28", "3D", "3F", "42"];
    !of_all.iter().any(|class| code.starts_with(class))
}

fn is_connection_failure(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}

fn constraint_name(answer: &dyn sqlx::error::DatabaseError) -> String {
    if let Some(name) = answer.constraint() {
        return name.to_owned();
    }
    let column = answer
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .and_then(sqlx::postgres::PgDatabaseError::column)
        .unwrap_or_default();
    format!("{}.{column}", answer.table().unwrap_or_default())
}
