//! From the port's errors to gRPC: the one place.

use tonic::{Code, Status};
use tradepost_service::error::Failure;

use super::super::status::{DOMAIN, store};
use crate::ports::StoreError;
use crate::ports::email::EmailError;

pub(super) fn render(error: EmailError) -> Status {
    match error {
        EmailError::NoAddress => {
            let message = "the user has no address";
            Failure::new(Code::NotFound, "ADDRESS_NOT_FOUND", DOMAIN, message).into()
        }
        EmailError::NoEmail => {
            let message = "there is no such e-mail";
            Failure::new(Code::NotFound, "EMAIL_NOT_FOUND", DOMAIN, message).into()
        }
        EmailError::RequestIdReused => {
            let message = "the request_id was used for another request; use a new one";
            Failure::new(Code::AlreadyExists, "REQUEST_ID_REUSED", DOMAIN, message).into()
        }
        EmailError::Database(error) => store(&StoreError::Database(error)),
    }
}

/// As [`render`]; who has no address, or a refused one, is sent nothing.
pub(super) fn not_resent(error: EmailError) -> Status {
    match error {
        EmailError::NoAddress => {
            let message = "the user has no address that mail could be sent to; put one first";
            Failure::new(
                Code::FailedPrecondition,
                "ADDRESS_NOT_FOUND",
                DOMAIN,
                message,
            )
            .into()
        }
        other @ (EmailError::NoEmail | EmailError::RequestIdReused | EmailError::Database(_)) => {
            render(other)
        }
    }
}
