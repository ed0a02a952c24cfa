//! Faults of the API.

use std::time::Duration;

use serde_json::json;
use tradepost_provider_sim::{Fault, Faults, Op, Rule};

use crate::support::{Sim, intent};

const PATH: &str = "/v1/payment_intents";

#[tokio::test]
async fn a_500_has_no_effect_and_the_same_key_works_afterwards() {
    let sim = Sim::plain().await;
    let fault = Fault::Status {
        status: 500,
        delay_ms: 0,
        saved: false,
    };
    sim.running
        .faults()
        .add(Rule::on(Op::Create, fault).times(1))
        .expect("a rule");
    let form = intent("pay_1", "pm_card_visa");

    let failed = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");
    let retried = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");

    assert_eq!((failed.status, failed.error_type()), (500, "api_error"));
    assert_eq!((retried.status, retried.replayed), (200, false));
}

#[tokio::test]
async fn a_saved_500_is_replayed_as_the_provider_documents() {
    let sim = Sim::plain().await;
    let fault = Fault::Status {
        status: 500,
        delay_ms: 0,
        saved: true,
    };
    sim.running
        .faults()
        .add(Rule::on(Op::Create, fault).times(1))
        .expect("a rule");
    let form = intent("pay_1", "pm_card_visa");

    let failed = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");
    let retried = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");

    assert_eq!(
        (failed.status, retried.status, retried.replayed),
        (500, 500, true)
    );
    assert_eq!(failed.body, retried.body);
}

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back() {
    let sim = Sim::plain().await;
    let rule = json!({ "op": "search", "times": 1,
        "fault": { "kind": "rate_limit", "retry_after_seconds": 7 } });
    sim.admin(reqwest::Method::POST, "/_sim/faults", rule).await;

    let limited = sim.search("pay_1").await;

    assert_eq!((limited.status, limited.code()), (429, "rate_limit"));
    assert_eq!(limited.retry_after.as_deref(), Some("7"));
    assert_eq!(sim.search("pay_1").await.status, 200);
}

/// Sends one create under a fault that cuts the line, and says how many intents there are then.
async fn intents_after(fault: Fault) -> (Sim, usize) {
    let sim = Sim::plain().await;
    sim.running
        .faults()
        .add(Rule::on(Op::Create, fault).times(1))
        .expect("a rule");

    let cut = sim
        .post_keyed(PATH, "k1", &intent("pay_1", "pm_card_visa"))
        .await;

    assert!(cut.is_err(), "nobody answers");
    let found = sim.search("pay_1").await.body["data"]
        .as_array()
        .expect("a list")
        .len();
    (sim, found)
}

#[tokio::test]
async fn cut_before_has_no_effect() {
    for fault in [Fault::TimeoutBefore { hang_ms: 20 }, Fault::ResetBefore] {
        let (sim, found) = intents_after(fault).await;

        assert_eq!(found, 0);
        let witness = sim.running.witness().expect("a witness");
        let sums = witness.payment("pay_1").expect("sums");
        assert_eq!((sums.authorised.count, sums.faults), (0, 1));
    }
}

#[tokio::test]
async fn cut_after_has_its_effect_and_the_retry_replays_it() {
    for fault in [Fault::TimeoutAfter { hang_ms: 20 }, Fault::ResetAfter] {
        let (sim, found) = intents_after(fault).await;

        assert_eq!(found, 1);
        let form = intent("pay_1", "pm_card_visa");
        let retried = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");
        assert_eq!((retried.status, retried.replayed), (200, true));
        let witness = sim.running.witness().expect("a witness");
        let sums = witness.payment("pay_1").expect("sums");
        assert_eq!((sums.authorised.count, sums.replayed), (1, 1));
        assert_eq!(sums.faults, 1);
    }
}

#[tokio::test]
async fn a_delayed_request_takes_effect_although_the_client_hung_up() {
    let sim = Sim::plain().await;
    // The request itself has to arrive before the client hangs up.
    let delay = Fault::Delay { delay_ms: 3_000 };
    sim.running
        .faults()
        .add(Rule::on(Op::Create, delay).times(1))
        .expect("a rule");
    let request = sim
        .request_to_post(PATH, &intent("pay_1", "pm_card_visa"))
        .timeout(Duration::from_millis(1_500));

    let sent = request.send().await;

    assert!(sent.is_err_and(|error| error.is_timeout()));
    let found = async {
        while sim.search("pay_1").await.body["data"] == json!([]) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, found)
        .await
        .expect("the effect happens");
}

#[tokio::test]
async fn a_lagging_search_finds_nothing_while_get_does() {
    let sim = Sim::plain().await;
    let id = sim.authorise("pay_1", "pm_card_visa").await.id();
    sim.running
        .faults()
        .add(Rule::always(Fault::SearchEmpty).times(1))
        .expect("a rule");

    let lagging = sim.search("pay_1").await;

    assert_eq!((lagging.status, &lagging.body["data"]), (200, &json!([])));
    assert_eq!(sim.get(&format!("{PATH}/{id}")).await.status, 200);
    assert_eq!(sim.search("pay_1").await.body["data"][0]["id"], id.as_str());
}

#[tokio::test]
async fn a_rule_matches_by_payment_on_every_operation() {
    let sim = Sim::plain().await;
    let fault = Fault::Status {
        status: 503,
        delay_ms: 0,
        saved: false,
    };
    let hit = sim.authorise("pay_hit", "pm_card_visa").await.id();
    let spared = sim.authorise("pay_spared", "pm_card_visa").await.id();
    sim.running
        .faults()
        .add(Rule::always(fault).payment("pay_hit"))
        .expect("a rule");

    assert_eq!(
        sim.post(&format!("{PATH}/{hit}/capture"), &[]).await.status,
        503
    );
    assert_eq!(sim.authorise("pay_hit", "pm_card_visa").await.status, 503);
    assert_eq!(sim.search("pay_hit").await.status, 503);
    assert_eq!(
        sim.post(&format!("{PATH}/{spared}/capture"), &[])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_seed_makes_chance_repeatable() {
    let sim = Sim::plain().await;
    let faults: Faults = sim.running.faults();
    let fault = Fault::Status {
        status: 500,
        delay_ms: 0,
        saved: false,
    };
    faults
        .add(Rule::on(Op::Search, fault).chance(0.5))
        .expect("a rule");
    let run = async || {
        let mut statuses = Vec::new();
        faults.seed(42);
        for _ in 0..32 {
            statuses.push(sim.search("pay_1").await.status);
        }
        statuses
    };

    let (first, second) = (run().await, run().await);

    assert_eq!(first, second);
    assert!(first.contains(&200) && first.contains(&500));
}

#[tokio::test]
async fn rules_can_be_listed_removed_and_senseless_ones_are_refused() {
    let sim = Sim::plain().await;
    let rules = json!({ "seed": 1, "rules": [
        { "op": "any", "fault": { "kind": "reset_after" }, "times": 3 },
        { "op": "capture", "payment_method": "pm_card_visa", "fault": { "kind": "delay", "delay_ms": 5 } },
    ]});

    let added = sim
        .admin(reqwest::Method::POST, "/_sim/faults", rules)
        .await;
    let senseless = [
        json!({ "fault": { "kind": "status", "status": 200 } }),
        json!({ "fault": { "kind": "reset_after" }, "probability": 2.0 }),
        json!({ "fault": { "kind": "unheard_of" } }),
    ];

    assert_eq!(added.body["ids"], json!([1, 2]));
    for rule in senseless {
        let refused = sim.admin(reqwest::Method::POST, "/_sim/faults", rule).await;
        assert!((400..500).contains(&refused.status));
    }
    assert_eq!(sim.running.faults().list().len(), 2);
    sim.admin(reqwest::Method::DELETE, "/_sim/faults/1", json!(null))
        .await;
    assert_eq!(sim.running.faults().list()[0].id, 2);
    sim.admin(reqwest::Method::DELETE, "/_sim/faults", json!(null))
        .await;
    assert_eq!(sim.running.faults().list(), []);
}
