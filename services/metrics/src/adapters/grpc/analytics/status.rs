//! From the errors of the service to gRPC: the one place.

use std::time::Duration;

use tonic::{Code, Status};
use tradepost_postgres::DbError;
use tradepost_service::error::Failure;

use super::parse;
use crate::adapters::grpc::DOMAIN;
use crate::adapters::grpc::status::RETRY_AFTER;
pub(super) use crate::adapters::grpc::status::{no_stream, stream_expired};
use crate::application::{NotAnswered, NotExported, NotRead, Refused};
use crate::ports::StoreError;

/// When a caller may ask again for a file while others are being written.
const RETRY_EXPORT_AFTER: Duration = Duration::from_secs(10);

pub(super) fn render(error: &StoreError) -> Status {
    match error {
        StoreError::Database(error) => database(error),
    }
    .into()
}

/// Why a question has no answer. One that takes too long would do so again.
fn question(error: &StoreError) -> Status {
    if !error.is_statement_timeout() {
        return render(error);
    }
    let message = "it took longer than a question may; ask for less time or fewer event types";
    Failure::new(Code::DeadlineExceeded, "QUERY_TIMED_OUT", DOMAIN, message).into()
}

pub(super) fn not_answered(why: &NotAnswered) -> Status {
    match why {
        NotAnswered::Store(error) => question(error),
        NotAnswered::Died => Failure::internal(why).into(),
    }
}

pub(super) fn not_ours(error: &prost::DecodeError) -> Status {
    Failure::internal(error).into()
}

fn database(error: &DbError) -> Failure {
    match error {
        DbError::Unavailable(_) | DbError::CommitUnknown(_) | DbError::SerializationFailure(_) => {
            let message = "the store cannot be reached; send it again as it is";
            Failure::new(Code::Unavailable, "STORE_UNAVAILABLE", DOMAIN, message)
                .retry_after(RETRY_AFTER)
        }
        DbError::Constraint { .. } | DbError::Query(_) | DbError::Schema(_) => {
            Failure::internal(error)
        }
    }
}

/// Why single events were not read.
pub(super) fn not_read(why: &NotRead) -> Status {
    let message = match why {
        NotRead::Store(error) => return question(error),
        NotRead::TooManyFiles { .. } => return parse::range_invalid(&why.to_string()),
        NotRead::Archive(error) => {
            tracing::error!(
                event = "archive.unreadable",
                path = error.path,
                error = %error.source,
                "an archived file cannot be read"
            );
            "an archived file of the range cannot be read; try again later"
        }
        NotRead::ArchiveAway => "the archive does not answer; try again later",
    };
    Failure::new(Code::Unavailable, "ARCHIVE_UNAVAILABLE", DOMAIN, message)
        .retry_after(RETRY_EXPORT_AFTER)
        .into()
}

/// Why there is no file, or no more of it.
pub(super) fn not_exported(why: &NotExported) -> Status {
    let failure = |code, reason| Failure::new(code, reason, DOMAIN, why.to_string());
    match why {
        NotExported::Busy => {
            failure(Code::ResourceExhausted, "OVERLOADED").retry_after(RETRY_EXPORT_AFTER)
        }
        NotExported::TenantBusy => {
            failure(Code::ResourceExhausted, "TENANT_BUSY").retry_after(RETRY_EXPORT_AFTER)
        }
        NotExported::TooLarge { rows_max } => {
            let failure = failure(Code::FailedPrecondition, "EXPORT_TOO_LARGE");
            failure.metadata("rows_max", rows_max.to_string())
        }
        NotExported::TooSlow { .. } => failure(Code::DeadlineExceeded, "EXPORT_TIMED_OUT"),
        NotExported::Draining => failure(Code::Unavailable, "DRAINING").retry_after(RETRY_AFTER),
        NotExported::NotRead(why) => return not_read(why),
        NotExported::Sheet(_) | NotExported::BrokenOff => Failure::internal(why),
    }
    .into()
}

pub(super) fn key_reused() -> Status {
    let fault = "came with other events before";
    let message = format!("batch_key {fault}");
    Failure::new(Code::InvalidArgument, "REQUEST_ID_REUSED", DOMAIN, message)
        .field("batch_key", fault)
        .into()
}

pub(super) fn refused(why: Refused) -> Status {
    match why {
        Refused::Full => {
            let message = "too many events wait to be stored; send it again later";
            Failure::new(Code::ResourceExhausted, "OVERLOADED", DOMAIN, message)
        }
        Refused::TenantFull => {
            let message = "too many events of the tenant wait to be stored; send it again later";
            Failure::new(Code::ResourceExhausted, "TENANT_BUSY", DOMAIN, message)
        }
        Refused::Draining => {
            let message = "the process takes nothing more; send it to another";
            Failure::new(Code::Unavailable, "DRAINING", DOMAIN, message)
        }
    }
    .retry_after(RETRY_AFTER)
    .into()
}
