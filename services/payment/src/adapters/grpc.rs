//! The gRPC face: parse, call, render.

mod parse;
mod render;
mod status;

use tonic::{Request, Response, Status};
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;
use tradepost_service::RequestContext;
use tradepost_service::auth::Rule;
use tradepost_service::page::PageRequest;

use crate::application::{Feed, TakeWebhook};
use crate::ports::Desk;

/// The domain of this service's errors.
pub(crate) const DOMAIN: &str = "payment.tradepost";

/// What opens the methods. A webhook names its payment itself, and is believed by its signature.
pub const RULES: [Rule; 5] = [
    Rule::of_tenant("GetPayment", "payments:read"),
    Rule::of_tenant("CreateRefund", "payments:refund"),
    Rule::of_tenant("ListLedgerEntries", "ledger:read"),
    Rule::of_tenant("GetBalances", "ledger:read"),
    Rule::of_platform("HandleProviderWebhook", "payments:webhook"),
];

/// The service's calls.
pub struct PaymentApi {
    desk: Desk,
    feed: Feed,
    webhooks: TakeWebhook,
}

impl PaymentApi {
    /// Calls that read and write at this desk; the provider's calls that follow go to `feed`.
    #[must_use]
    pub const fn new(desk: Desk, feed: Feed, webhooks: TakeWebhook) -> Self {
        Self {
            desk,
            feed,
            webhooks,
        }
    }
}

#[tonic::async_trait]
impl PaymentService for PaymentApi {
    async fn get_payment(
        &self,
        request: Request<pb::GetPaymentRequest>,
    ) -> Result<Response<pb::GetPaymentResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let id = parse::payment_id(&request.get_ref().payment_id)?;
        let found = self.desk.find(tenant, id).await.map_err(status::render)?;
        let payment = found.ok_or_else(status::payment_not_found)?;
        Ok(Response::new(pb::GetPaymentResponse {
            payment: Some(render::payment(payment)),
        }))
    }

    async fn create_refund(
        &self,
        request: Request<pb::CreateRefundRequest>,
    ) -> Result<Response<pb::CreateRefundResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (key, new) = parse::refund(request.get_ref())?;
        let made = self.desk.refund(tenant, &key, &new).await;
        let (payment, refund, done) = made.map_err(status::render)?;
        self.feed.give(done).await;
        Ok(Response::new(pb::CreateRefundResponse {
            refund: Some(render::refund(payment, refund)),
        }))
    }

    async fn list_ledger_entries(
        &self,
        request: Request<pb::ListLedgerEntriesRequest>,
    ) -> Result<Response<pb::ListLedgerEntriesResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let request = request.into_inner();
        let mut filter = parse::ledger_filter(&request)?;
        let fingerprint = format!("{}\n{}", request.payment_id, request.account);
        let page: PageRequest<(i64, String)> = PageRequest::parse(
            request.page_size,
            &request.page_token,
            fingerprint.as_bytes(),
        )?;
        filter.after.clone_from(&page.after);
        let found = self.desk.ledger(tenant, &filter, page.limit()).await;
        let page = page.page(found.map_err(status::render)?, |line| {
            (line.entry_id, line.account.clone())
        });
        Ok(Response::new(pb::ListLedgerEntriesResponse {
            entries: page.items.into_iter().map(render::line).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_balances(
        &self,
        request: Request<pb::GetBalancesRequest>,
    ) -> Result<Response<pb::GetBalancesResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let balances = self.desk.balances(tenant).await.map_err(status::render)?;
        Ok(Response::new(pb::GetBalancesResponse {
            balances: balances.into_iter().map(render::balance).collect(),
        }))
    }

    async fn handle_provider_webhook(
        &self,
        request: Request<pb::HandleProviderWebhookRequest>,
    ) -> Result<Response<pb::HandleProviderWebhookResponse>, Status> {
        let request = request.into_inner();
        parse::webhook_size(&request.payload)?;
        let taken = self.webhooks.take(&request.payload, &request.signature);
        let duplicate = taken.await.map_err(status::webhook)?;
        Ok(Response::new(pb::HandleProviderWebhookResponse {
            duplicate,
        }))
    }
}
