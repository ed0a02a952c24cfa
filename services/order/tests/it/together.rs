//! Placements that arrive together share a transaction; each is its own order, once.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;
use tonic::Code;
use tracing::Instrument;
use tradepost_messaging::{Messaging, MessagingConfig};
use tradepost_order::adapters::postgres::PgOrders;
use tradepost_order::application::Changes;
use tradepost_order::config::SagaConfig;
use tradepost_order::domain::saga::Definitions;
use tradepost_order::domain::{Address, CatalogueItem, Draft, DraftLine, NewOrder};
use tradepost_order::ports::{OrderStore, Placed, RequestKey, StoreError};
use tradepost_postgres::Database;
use tradepost_telemetry::TelemetryConfig;
use tradepost_testkit::TestDatabase;
use tradepost_types::{Currency, Money, OrderId, Quantity, Sku, TenantId};

use crate::stage::{Stage, migrated, reason, request};

/// A store without a service around it.
struct Shelf {
    test_database: TestDatabase,
    store: PgOrders,
    tenant: TenantId,
}

impl Shelf {
    async fn new() -> Self {
        let test_database = migrated().await;
        let database = Database::connect_lazy(&test_database.config(), "together").unwrap();
        let registry = tradepost_telemetry::Registry::new("together");
        let outbox = registry
            .with(|registry| {
                Messaging::new(MessagingConfig::default(), database.clone(), "x", registry)
            })
            .outbox();
        let definitions = Definitions::new(SagaConfig::default().policy());
        Self {
            test_database,
            store: PgOrders::new(database, outbox, definitions.into(), Changes::default()),
            tenant: TenantId::new(),
        }
    }

    async fn place(&self, order: NewOrder) -> Result<Placed, StoreError> {
        let key = RequestKey {
            request_id: order.id.to_string(),
            fingerprint: [7; 32],
        };
        self.store.place(order, key).await
    }

    async fn rows<T>(&self, query: &'static str) -> Vec<T>
    where
        T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
    {
        let mut admin = self.test_database.admin().await;
        sqlx::query_as(query).fetch_all(&mut admin).await.unwrap()
    }
}

fn order(tenant: TenantId, customer_ref: &str) -> NewOrder {
    let sku: Sku = "MUG".parse().unwrap();
    let item = CatalogueItem {
        name: "the MUG".to_owned(),
        price: Money::new(1_250, Currency::GBP),
        weight_grams: 7,
        active: true,
    };
    let line = |quantity: i64| DraftLine {
        sku: sku.clone(),
        quantity: Quantity::try_from(quantity).unwrap(),
        agreed_price: None,
    };
    let draft = Draft {
        customer_ref: customer_ref.to_owned(),
        currency: Currency::GBP,
        lines: vec![line(1), line(2)],
        address: Address {
            recipient: "A. Buyer".to_owned(),
            lines: vec!["1 High Street".to_owned()],
            city: "Leeds".to_owned(),
            region: String::new(),
            postal_code: "LS1 1AA".to_owned(),
            country_code: "GB".to_owned(),
        },
        payment_method: "pm_card_visa".to_owned(),
    };
    let catalogue = HashMap::from([(sku.clone(), item)]);
    NewOrder::price(tenant, OrderId::new(), draft, &catalogue).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn e01_thirty_orders_thrice_at_once_are_thirty_orders() {
    let stage = Stage::new().await;
    let requests: Vec<_> = (0..30).map(|_| request()).collect();
    let mut reused = requests[7].clone();
    reused.lines[0].quantity += 1;
    stage.place(requests[7].clone()).await;

    let calls = [requests.clone(), requests.clone(), requests, vec![reused]].concat();
    let calls = calls.into_iter().map(|request| {
        let mut client = stage.client.clone();
        async move { client.place_order(request).await }
    });
    let (placed, refused): (Vec<_>, Vec<_>) =
        join_all(calls).await.into_iter().partition(Result::is_ok);

    let placed: Vec<_> = placed
        .into_iter()
        .map(|answer| answer.unwrap().into_inner())
        .collect();
    assert_eq!(placed.iter().filter(|answer| !answer.replayed).count(), 29);
    let orders: Vec<_> = placed
        .into_iter()
        .map(|answer| answer.order.unwrap())
        .collect();
    let ids: HashSet<&str> = orders.iter().map(|order| order.order_id.as_str()).collect();
    assert_eq!((orders.len(), ids.len()), (90, 30));
    assert!(orders.iter().all(|order| order.lines.len() == 1));
    let refused: Vec<_> = refused.into_iter().map(Result::unwrap_err).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].code(), Code::InvalidArgument);
    assert_eq!(reason(&refused[0]), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn orders_that_arrive_together_share_transactions_and_nothing_else() {
    let shelf = Shelf::new().await;
    let other = TenantId::new();
    let orders: Vec<NewOrder> = (0..40)
        .map(|place| {
            let tenant = if place % 4 == 0 { other } else { shelf.tenant };
            order(tenant, &format!("customer {place}"))
        })
        .collect();
    let wanted: HashMap<OrderId, NewOrder> =
        orders.iter().map(|new| (new.id, new.clone())).collect();

    let placed = join_all(orders.into_iter().map(|new| shelf.place(new))).await;

    for answer in placed {
        let Placed::Order {
            order,
            lines,
            replayed,
        } = answer.unwrap()
        else {
            panic!("nothing was placed before");
        };
        let new = &wanted[&order.id];
        assert!(!replayed);
        assert_eq!((order.tenant, &order.details), (new.tenant, &new.details));
        assert_eq!(lines, new.lines);
        let stored = shelf.store.find(new.tenant, new.id).await.unwrap().unwrap();
        assert_eq!(stored, *order);
        assert_eq!(shelf.store.lines(new.tenant, new.id).await.unwrap(), lines);
        let foreign = if new.tenant == other {
            shelf.tenant
        } else {
            other
        };
        assert_eq!(shelf.store.find(foreign, new.id).await.unwrap(), None);
    }
    let told: Vec<(String, i64)> = shelf
        .rows("select routing_key, count(distinct subject) from messaging.outbox group by 1 order by 1")
        .await;
    let both = [
        ("inventory.reserve".to_owned(), 40),
        ("order.placed".to_owned(), 40),
    ];
    assert_eq!(told, both);
    let transactions: Vec<(String,)> = shelf.rows("select distinct xmin::text from orders").await;
    assert!(
        transactions.len() < 20,
        "{} transactions",
        transactions.len()
    );
}

#[tokio::test]
async fn one_order_that_cannot_be_stored_harms_no_other() {
    let shelf = Shelf::new().await;
    let orders = (0..12).map(|place| {
        // PostgreSQL holds no NUL, in no text.
        let customer = if place == 5 { "nobody\0" } else { "somebody" };
        shelf.place(order(shelf.tenant, customer))
    });

    let placed = join_all(orders).await;

    for (place, answer) in placed.into_iter().enumerate() {
        match answer {
            Ok(Placed::Order { replayed, .. }) => assert!(place != 5 && !replayed),
            Err(StoreError::Faulty(_)) => assert_eq!(place, 5),
            other => panic!("{other:?}"),
        }
    }
    let kept: Vec<(i64,)> = shelf
        .rows("select count(*) from platform.idempotency_keys")
        .await;
    assert_eq!(kept, [(11,)]);
}

#[tokio::test]
async fn the_messages_of_an_order_continue_its_own_trace_whoever_led_its_batch() {
    let telemetry = TelemetryConfig::default();
    let (subscriber, guard) =
        tradepost_telemetry::subscriber(&telemetry, "together", std::io::sink).unwrap();
    let _current = tracing::subscriber::set_default(subscriber);
    let shelf = Shelf::new().await;

    let orders = (0..10).map(|_| {
        let span = tracing::info_span!("rpc");
        shelf
            .place(order(shelf.tenant, "somebody"))
            .instrument(span)
    });
    join_all(orders).await;

    let traces: Vec<(String, String, String)> = shelf
        .rows(
            "select o.traceparent, m.traceparent, e.trace_id
             from messaging.outbox m
             join orders o on o.order_id = m.correlation_id
             join order_events e on e.order_id = o.order_id",
        )
        .await;
    assert_eq!(traces.len(), 20);
    for (order, message, event) in &traces {
        assert_eq!(order, message);
        assert!(order.contains(event.as_str()), "{order} {event}");
    }
    let own: HashSet<_> = traces.iter().map(|(order, ..)| order).collect();
    assert_eq!(own.len(), 10);
    guard.shutdown();
}
