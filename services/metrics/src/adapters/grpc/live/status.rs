//! Why something was not counted or answered, to gRPC: the one place.

use tonic::{Code, Status};
use tradepost_aggregation::{BatchError, QueryError, Reason};
use tradepost_proto::metrics::v1::RejectionReason;
use tradepost_service::error::Failure;

use super::render::rejection_reason;
use crate::adapters::grpc::DOMAIN;
use crate::adapters::grpc::status::{RETRY_AFTER, no_room};
pub(super) use crate::adapters::grpc::status::{no_stream, stream_expired};
use crate::application::{NoRoom, NotCounted};

pub(super) fn event(why: NotCounted<Reason>) -> Status {
    not_counted(why, |reason| match reason {
        Reason::TenantsFull => tenants_full(),
        Reason::EventTypeInvalid
        | Reason::UserIdInvalid
        | Reason::ValueNotFinite
        | Reason::ValueTooLarge
        | Reason::TimeInvalid
        | Reason::TooOld
        | Reason::InFuture
        | Reason::PlaceUnknown => {
            let name = RejectionReason::as_str_name(&rejection_reason(reason));
            failure(Code::InvalidArgument, "EVENT_REJECTED", &reason.to_string())
                .metadata("rejection_reason", name)
        }
    })
}

pub(super) fn batch(why: NotCounted<BatchError>) -> Status {
    not_counted(why, |error| {
        let reason = match error {
            BatchError::ProducerInvalid => "PRODUCER_INVALID",
            BatchError::SequenceInvalid => "SEQUENCE_INVALID",
            // One without events is refused before.
            BatchError::SizeInvalid => "BATCH_TOO_LARGE",
            BatchError::RecordsMalformed => "RECORDS_MALFORMED",
            BatchError::TenantsFull => return tenants_full(),
            BatchError::ProducersFull => {
                let code = Code::ResourceExhausted;
                return failure(code, "PRODUCERS_FULL", &error.to_string());
            }
        };
        failure(Code::InvalidArgument, reason, &error.to_string())
    })
}

pub(super) fn query(error: QueryError) -> Status {
    let reason = match error {
        QueryError::WindowInvalid => "WINDOW_INVALID",
        QueryError::TooManyLines => "ANSWER_TOO_LARGE",
    };
    failure(Code::InvalidArgument, reason, &error.to_string()).into()
}

pub(super) fn no_question(why: NoRoom) -> Status {
    no_room(
        why,
        "too many questions wait; try again later",
        "too many questions about the tenant wait; try again later",
    )
}

pub(super) fn draining() -> Status {
    let message = "the process counts nothing more; send it to another";
    failure(Code::Unavailable, "DRAINING", message)
        .retry_after(RETRY_AFTER)
        .into()
}

pub(super) fn batch_missing() -> Status {
    let message = "the message has no batch";
    failure(Code::InvalidArgument, "INVALID_FIELD", message)
        .field("batch", "must be there")
        .into()
}

pub(super) fn batch_empty(field: &'static str) -> Status {
    let message = "the batch has no events";
    failure(Code::InvalidArgument, "INVALID_FIELD", message)
        .field(field, "must not be empty")
        .into()
}

pub(super) fn batch_key_refused() -> Status {
    let message =
        "batch_key is for AnalyticsService.IngestEvents; a producer counts its batches here";
    failure(Code::InvalidArgument, "INVALID_FIELD", message)
        .field("batch_key", "must be empty")
        .into()
}

fn not_counted<E>(why: NotCounted<E>, refused: impl FnOnce(E) -> Failure) -> Status {
    match why {
        NotCounted::Draining => draining(),
        NotCounted::Busy(wait) => {
            let message = "the tenant sends faster than it may";
            let failure = failure(Code::ResourceExhausted, "TENANT_BUSY", message);
            failure.retry_after(wait).into()
        }
        NotCounted::Refused(error) => refused(error).into(),
    }
}

fn tenants_full() -> Failure {
    let message = "the service knows as many tenants as it may";
    failure(Code::ResourceExhausted, "TENANTS_FULL", message)
}

fn failure(code: Code, reason: &'static str, message: &str) -> Failure {
    Failure::new(code, reason, DOMAIN, message)
}
