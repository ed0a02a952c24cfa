//! From requests to values: every fault of a request is told at once.

use prost::Message;
use tonic::Status;
use tradepost_notifications::stream::UserName;
use tradepost_proto::notification::v1 as pb;
use tradepost_service::error::Violations;
use tradepost_service::page::PageRequest;
use tradepost_types::EmailId;

use super::super::reading::{self, Place, finish, key, made_at};
use crate::domain::email::EmailAddress;
use crate::ports::RequestKey;
use crate::ports::email::{Email, EmailState, ListedAfter};

/// A list of e-mails as asked for.
pub(super) struct Emails {
    pub(super) user: UserName,
    pub(super) state: Option<EmailState>,
    pub(super) page: PageRequest<Place>,
}

impl Emails {
    /// Where it goes on.
    pub(super) fn after(&self) -> Result<Option<ListedAfter>, Status> {
        let Some(place) = self.page.after else {
            return Ok(None);
        };
        let (created_at, id) = (made_at(place)?, EmailId::from_uuid(place.1));
        Ok(Some(ListedAfter { created_at, id }))
    }
}

/// The place of an e-mail in its list.
pub(super) fn place(email: &Email) -> Place {
    reading::place(email.created_at, email.id.as_uuid())
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
    Ok((key(&request.request_id, &body), id))
}
