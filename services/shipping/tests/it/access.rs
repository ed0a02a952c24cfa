//! Who gets in.

use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingServiceServer;
use tradepost_shipping::adapters::grpc::RULES;
use tradepost_testkit::assert_guarded;

use crate::support::{Depot, NEVER};

#[tokio::test]
async fn every_method_opens_to_its_right_in_a_believed_token_and_to_nothing_else() {
    let depot = Depot::open(NEVER).await;
    let service = ShippingServiceServer::new(depot.api);

    assert_guarded("shipping", service, FILE_DESCRIPTOR_SET, &RULES).await;
}
