//! From requests to values: every fault of a request is told at once.

use prost::Message;
use time::OffsetDateTime;
use tonic::Status;
use tradepost_notifications::stream::UserName;
use tradepost_proto::notification::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::page::PageRequest;
use tradepost_service::request_id;
use tradepost_types::EmailId;
use uuid::Uuid;

use super::super::status::DOMAIN;
use crate::domain::email::EmailAddress;
use crate::ports::RequestKey;
use crate::ports::email::{Email, EmailState, ListedAfter};

/// The place of an e-mail in a list, as a page token holds it: microseconds, which is what the
/// database keeps, and the id.
pub(super) type Place = (i64, Uuid);

/// A list of e-mails as asked for.
pub(super) struct Emails {
    pub(super) user: UserName,
    pub(super) state: Option<EmailState>,
    pub(super) page: PageRequest<Place>,
}

impl Emails {
    /// Where it goes on.
    pub(super) fn after(&self) -> Result<Option<ListedAfter>, Status> {
        let Some((micros, id)) = self.page.after else {
            return Ok(None);
        };
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
        let mut faults = Violations::new();
        let created_at = faults.take("page_token", at.map_err(|_range| "is malformed"));
        let created_at = finish(faults, created_at)?;
        let id = EmailId::from_uuid(id);
        Ok(Some(ListedAfter { created_at, id }))
    }
}

/// The place of an e-mail in its list.
pub(super) fn place(email: &Email) -> Place {
    let micros = email.created_at.unix_timestamp_nanos() / 1_000;
    (
        i64::try_from(micros).unwrap_or(i64::MAX),
        email.id.as_uuid(),
    )
}

pub(super) fn user(text: &str) -> Result<UserName, Status> {
    let mut faults = Violations::new();
    let user = faults.take("user_id", text.parse());
    finish(faults, user)
}

pub(super) fn put(request: &pb::PutAddressRequest) -> Result<(UserName, EmailAddress), Status> {
    let mut faults = Violations::new();
    let user = faults.take("user_id", request.user_id.parse());
    let address = faults.take("address", EmailAddress::parse(&request.address));
    finish(faults, user.zip(address))
}

pub(super) fn list(request: &pb::ListEmailsRequest) -> Result<Emails, Status> {
    let mut faults = Violations::new();
    let user = faults.take("user_id", request.user_id.parse());
    let state = match pb::EmailState::try_from(request.state) {
        Ok(pb::EmailState::Unspecified) => None,
        Ok(pb::EmailState::Pending) => Some(EmailState::Pending),
        Ok(pb::EmailState::Sent) => Some(EmailState::Sent),
        Ok(pb::EmailState::Failed) => Some(EmailState::Failed),
        Err(_unknown) => {
            faults.add("state", "must be a state of an e-mail");
            None
        }
    };
    let user = finish(faults, user)?;
    let filter = pb::ListEmailsRequest {
        page_size: 0,
        page_token: String::new(),
        ..request.clone()
    };
    let filter = filter.encode_to_vec();
    let page = PageRequest::parse(request.page_size, &request.page_token, &filter)?;
    Ok(Emails { user, state, page })
}

pub(super) fn resend(request: &pb::ResendEmailRequest) -> Result<(RequestKey, EmailId), Status> {
    let mut faults = Violations::new();
    faults.request_id(&request.request_id);
    let id = faults.take("email_id", request.email_id.parse());
    let id = finish(faults, id)?;
    let body = pb::ResendEmailRequest {
        request_id: String::new(),
        ..request.clone()
    };
    let key = RequestKey {
        id: request.request_id.clone(),
        fingerprint: request_id::fingerprint(&body.encode_to_vec()),
    };
    Ok((key, id))
}

/// The value, or all faults. A value is missing only with a fault.
fn finish<T>(faults: Violations, value: Option<T>) -> Result<T, Status> {
    faults.check(DOMAIN)?;
    value.ok_or_else(|| Status::internal("a value without a fault is missing"))
}
