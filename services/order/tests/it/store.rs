//! The rows themselves: they equal the fold of their events.

use pb::OrderState as S;
use tradepost_messaging::Messaging;
use tradepost_order::adapters::postgres::PgOrders;
use tradepost_order::application::Changes;
use tradepost_order::domain::saga::Definitions;
use tradepost_order::domain::{Timer, rebuild};
use tradepost_order::ports::OrderStore;
use tradepost_postgres::Database;
use tradepost_proto::order::v1 as pb;

use crate::stage::{Stage, of, paid_by, request, to};

#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_the_fold_of_its_events() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for (request, state) in [
        (request(), S::Confirmed),
        (of("OUT"), S::Rejected),
        (paid_by("pm_decline"), S::Rejected),
        (paid_by("pm_commit_refused"), S::Confirmed),
        (paid_by("pm_unknown"), S::Authorizing),
        (to("Nowhere"), S::Rejected),
    ] {
        ids.push(stage.placed_until(request, state).await.order_id);
    }
    let stuck = stage
        .placed_until(paid_by("pm_void_fails"), S::Confirmed)
        .await;
    stage.cancel(&stuck.order_id).await.unwrap();
    ids.push(
        stage
            .until(&stuck.order_id, S::NeedsAttention)
            .await
            .order_id,
    );

    let database = Database::connect_lazy(&stage.config.database, "test").unwrap();
    let registry = tradepost_telemetry::Registry::new("test");
    let config = stage.config.messaging.clone();
    let outbox = registry
        .with(|registry| Messaging::new(config, database.clone(), "test", registry))
        .outbox();
    let definitions = Definitions::new(stage.config.saga.policy());
    let store = PgOrders::new(database, outbox, definitions.into(), Changes::default());

    for id in ids {
        let id = id.parse().unwrap();
        let mut row = store.find(stage.tenant, id).await.unwrap().unwrap();
        let events = store.events(stage.tenant, id).await.unwrap();
        row.timer = Timer::default();

        assert_eq!(rebuild(stage.tenant, id, &events), Ok(row));
    }
}
