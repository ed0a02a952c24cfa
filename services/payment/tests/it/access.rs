//! Who gets in.

use tradepost_payment::adapters::grpc::RULES;
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::payment::v1::payment_service_server::PaymentServiceServer;
use tradepost_testkit::assert_guarded;

use crate::support::Till;

#[tokio::test]
async fn every_method_opens_to_its_right_in_a_believed_token_and_to_nothing_else() {
    let till = Till::open().await;
    let service = PaymentServiceServer::from_arc(till.api.clone());

    assert_guarded("payment", service, FILE_DESCRIPTOR_SET, &RULES).await;
}
