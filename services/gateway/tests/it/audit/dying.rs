//! A gateway that is killed between the first entry of a call and the last: what was attempted is in
//! the trail, what became of it is not made up, and the chain goes on after the restart.

use axum::http::Method;
use futures::join;
use serde_json::json;
use tradepost_gateway::adapters::postgres::audit::PgAudit;
use tradepost_gateway::command::audit::{Report, export, verify_export};
use tradepost_postgres::Database;
use tradepost_testkit::{ProcessBuilder, TestDatabase, Trust, eventually};

use crate::fake::Fake;
use crate::identity::process::{builder, served};
use crate::identity::shop::{Gate, OPERATOR, PASSWORD, make_operator};
use crate::stage::{SOON, an_order, migrated};

const OWNER: &str = "ada@example.com";

async fn owner(gate: &Gate) -> String {
    let operator = gate.login(OPERATOR).await.access;
    let body = json!({"name": "Acme", "owner_email": OWNER, "owner_password": PASSWORD});
    let made = gate.post("/v1/tenants", &operator, body).await;
    assert_eq!(made.status, 201);
    gate.login(OWNER).await.access
}

/// The outcomes of all entries about orders, in the order of the chain.
async fn outcomes(database: &TestDatabase) -> Vec<String> {
    sqlx::query_scalar(
        "select outcome from audit_entries where action = 'place_order' order by seq",
    )
    .fetch_all(&mut database.admin().await)
    .await
    .unwrap()
}

/// What the verifier finds, which sees only an export.
async fn verified(database: &TestDatabase) -> Report {
    let config = database.config();
    let pools = Database::connect_lazy(&config, "test").unwrap();
    let mut file = Vec::new();
    export(&PgAudit::new(pools, &config), None, &mut file)
        .await
        .unwrap();
    verify_export(file.as_slice(), &[], None).unwrap()
}

fn before(url: &str, database: &TestDatabase, trust: &Trust) -> ProcessBuilder {
    builder(database, trust).env("TRADEPOST_GATEWAY__UPSTREAMS__ORDER_URL", url)
}

#[tokio::test]
async fn a_call_whose_gateway_dies_is_in_the_trail_with_its_end_unknown() {
    let ((fake, url), database, trust) = (Fake::serve().await, migrated().await, Trust::new());
    make_operator(&database.config()).await;
    let (mut killed, doomed) = served(before(&url, &database, &trust)).await;
    let token = owner(&doomed).await;
    fake.close_gate();

    let call = doomed.try_ask(Method::POST, "/v1/orders", &token, Some(an_order()));
    let death = async {
        eventually("the service has the call", SOON, async || {
            (fake.calls() == 1).then_some(())
        })
        .await;
        killed.kill();
    };
    let (lost, ()) = join!(call, death);

    assert!(lost.is_err(), "nobody was told what became of it");
    assert_eq!(outcomes(&database).await, ["attempted"]);
    fake.gate.add_permits(8);
    let (_restarted, gate) = served(before(&url, &database, &trust)).await;
    let placed = gate.post("/v1/orders", &token, an_order()).await;
    assert_eq!(placed.status, 201);
    let ended = eventually("the end of the second call", SOON, async || {
        let outcomes = outcomes(&database).await;
        (outcomes.len() == 3).then_some(outcomes)
    })
    .await;
    assert_eq!(ended, ["attempted", "attempted", "succeeded"]);
    let report = verified(&database).await;
    assert!(report.is_good() && report.rows > 3, "{report:?}");
    assert_eq!(report.chains.len(), 2, "the platform's and the tenant's");
}
