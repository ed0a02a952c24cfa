//! The calls about e-mail.

mod parse;
mod render;
mod status;

use tonic::{Request, Response, Status};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::email_service_server::EmailService;
use tradepost_service::RequestContext;
use tradepost_service::auth::Rule;

use crate::ports::email::Mailboxes;

/// What opens the methods.
pub const EMAIL_RULES: [Rule; 5] = [
    Rule::of_tenant("PutAddress", super::MANAGE),
    Rule::of_tenant("GetAddress", super::MANAGE),
    Rule::of_tenant("DeleteAddress", super::MANAGE),
    Rule::of_tenant("ListEmails", super::MANAGE),
    Rule::of_tenant("ResendEmail", super::MANAGE),
];

/// The calls.
pub struct EmailApi {
    mailboxes: Mailboxes,
}

impl EmailApi {
    /// Calls about these.
    #[must_use]
    pub const fn new(mailboxes: Mailboxes) -> Self {
        Self { mailboxes }
    }
}

#[tonic::async_trait]
impl EmailService for EmailApi {
    async fn put_address(
        &self,
        request: Request<pb::PutAddressRequest>,
    ) -> Result<Response<pb::PutAddressResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (user, address) = parse::put(request.get_ref())?;
        let put = self.mailboxes.put(tenant, &user, &address).await;
        let email_address = Some(render::mailbox(&user, &put.map_err(status::render)?));
        Ok(Response::new(pb::PutAddressResponse { email_address }))
    }

    async fn get_address(
        &self,
        request: Request<pb::GetAddressRequest>,
    ) -> Result<Response<pb::GetAddressResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let user = parse::user(&request.get_ref().user_id)?;
        let found = self.mailboxes.load(tenant, &user).await;
        let email_address = Some(render::mailbox(&user, &found.map_err(status::render)?));
        Ok(Response::new(pb::GetAddressResponse { email_address }))
    }

    async fn delete_address(
        &self,
        request: Request<pb::DeleteAddressRequest>,
    ) -> Result<Response<pb::DeleteAddressResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let user = parse::user(&request.get_ref().user_id)?;
        let deleted = self.mailboxes.delete(tenant, &user).await;
        deleted.map_err(status::render)?;
        Ok(Response::new(pb::DeleteAddressResponse {}))
    }

    async fn list_emails(
        &self,
        request: Request<pb::ListEmailsRequest>,
    ) -> Result<Response<pb::ListEmailsResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let wanted = parse::list(request.get_ref())?;
        let place = (wanted.after()?, wanted.page.limit());
        let found = self
            .mailboxes
            .list(tenant, &wanted.user, wanted.state, place)
            .await;
        let found = found.map_err(status::render)?;
        let page = wanted.page.page(found, parse::place);
        Ok(Response::new(pb::ListEmailsResponse {
            emails: page.items.into_iter().map(render::email).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn resend_email(
        &self,
        request: Request<pb::ResendEmailRequest>,
    ) -> Result<Response<pb::ResendEmailResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, id) = parse::resend(request.get_ref())?;
        let resent = self.mailboxes.resend(tenant, &key, id).await;
        let email = Some(render::email(resent.map_err(status::not_resent)?));
        Ok(Response::new(pb::ResendEmailResponse { email }))
    }
}
