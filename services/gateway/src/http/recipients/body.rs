//! Addresses and e-mails as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::notification::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::Problem;
use crate::http::values::{Time, instant, maybe_instant, mirrored, text};

/// Where somebody reads e-mail from now on. There is no `Debug`: an address is in no log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEmailAddress {
    /// As RFC 5321 writes it.
    #[schema(max_length = 254, example = "ada@example.com")]
    address: String,
}

impl NewEmailAddress {
    pub(super) fn into_request(self, user_id: String) -> pb::PutAddressRequest {
        pb::PutAddressRequest {
            user_id,
            address: self.address,
        }
    }
}

/// Where somebody reads e-mail. There is no `Debug`: an address is in no log.
#[derive(Serialize, ToSchema)]
pub(super) struct EmailAddress {
    /// Who.
    #[schema(example = "c-1001")]
    user_id: String,
    /// Where.
    #[schema(example = "ada@example.com")]
    address: String,
    /// Whether its server has refused it for good: nothing is sent until another is put.
    refused: bool,
    /// When it was put.
    update_time: Time,
}

impl TryFrom<pb::EmailAddress> for EmailAddress {
    type Error = Problem;

    fn try_from(address: pb::EmailAddress) -> Result<Self, Problem> {
        Ok(Self {
            user_id: address.user_id,
            address: address.address,
            refused: address.refused,
            update_time: instant(address.update_time)?,
        })
    }
}

mirrored! {
    /// What has become of an e-mail.
    EmailState of pb::EmailState {
        /// It is sent, or sent again, when it is due.
        Pending,
        /// The mail server took it.
        Sent,
        /// It is not tried any more.
        Failed,
    }
}

/// Which e-mails to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EmailFilter {
    /// Only e-mails in this state.
    #[param(inline, nullable = false, example = "FAILED")]
    state: Option<EmailState>,
    /// E-mails a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl EmailFilter {
    pub(super) fn into_request(self, user_id: String) -> pb::ListEmailsRequest {
        let state = self.state.map(pb::EmailState::from);
        pb::ListEmailsRequest {
            user_id,
            state: state.unwrap_or_default().into(),
            page_size: self.page_size,
            page_token: self.page_token,
        }
    }
}

/// One e-mail for one person. Neither its text nor its address is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Email {
    /// Its id.
    #[schema(example = "eml_01h455vb4pex5vsknk084sn02q")]
    email_id: String,
    /// To whom.
    #[schema(example = "c-1001")]
    user_id: String,
    /// Of what they were told.
    #[schema(example = "ntf_01h455vb4pex5vsknk084sn02q")]
    notification_id: String,
    /// The type of what they were told.
    #[serde(rename = "type")]
    #[schema(example = "order.shipped")]
    kind: String,
    /// What has become of it.
    state: EmailState,
    /// Attempts so far.
    #[schema(example = 1)]
    attempts: i32,
    /// When it is tried next, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_attempt_time: Option<Time>,
    /// The SMTP reply code of the last attempt, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 451)]
    last_status: Option<i32>,
    /// Why the last attempt failed: `reply`, `timeout`, `connect`, `tls` or `no_address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "reply")]
    last_error: Option<String>,
    /// When it was made.
    create_time: Time,
}

impl TryFrom<pb::Email> for Email {
    type Error = Problem;

    fn try_from(email: pb::Email) -> Result<Self, Problem> {
        let status = email.last_status;
        Ok(Self {
            email_id: email.email_id,
            user_id: email.user_id,
            notification_id: email.notification_id,
            kind: email.r#type,
            state: EmailState::of(email.state),
            attempts: email.attempts,
            next_attempt_time: maybe_instant(email.next_attempt_time)?,
            last_status: (status != 0).then_some(status),
            last_error: text(email.last_error),
            create_time: instant(email.create_time)?,
        })
    }
}

/// A page of e-mails.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EmailPage {
    /// The newest first.
    emails: Vec<Email>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::ListEmailsResponse> for EmailPage {
    type Error = Problem;

    fn try_from(page: pb::ListEmailsResponse) -> Result<Self, Problem> {
        let emails = page.emails.into_iter().map(Email::try_from);
        Ok(Self {
            emails: emails.collect::<Result<_, Problem>>()?,
            next_page_token: text(page.next_page_token),
        })
    }
}
