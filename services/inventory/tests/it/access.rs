//! Who gets in.

use tradepost_inventory::adapters::grpc::RULES;
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryServiceServer;
use tradepost_testkit::assert_guarded;

use crate::support::Warehouse;

#[tokio::test]
async fn every_method_opens_to_its_right_in_a_believed_token_and_to_nothing_else() {
    let shop = Warehouse::open().await;
    let service = InventoryServiceServer::new(shop.api);

    assert_guarded("inventory", service, FILE_DESCRIPTOR_SET, &RULES).await;
}
