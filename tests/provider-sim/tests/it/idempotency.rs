//! The promises of `Idempotency-Key`.

use tradepost_provider_sim::{Fault, Op, Rule};

use crate::support::{Sim, intent};

const PATH: &str = "/v1/payment_intents";

#[tokio::test]
async fn the_same_key_and_parameters_replay_the_same_answer() {
    let sim = Sim::plain().await;
    let form = intent("pay_1", "pm_card_visa");
    let mut reordered = form;
    reordered.reverse();

    let first = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");
    sim.post(&format!("{PATH}/{}/capture", first.id()), &[])
        .await;
    let second = sim
        .post_keyed(PATH, "k1", &reordered)
        .await
        .expect("an answer");

    assert!(!first.replayed && second.replayed);
    assert_eq!(
        first.body, second.body,
        "the answer of then, not the state of now"
    );
    let witness = sim.running.witness().expect("a witness");
    let sums = witness.payment("pay_1").expect("sums");
    assert_eq!((sums.authorised.count, sums.replayed), (1, 1));
}

#[tokio::test]
async fn a_decline_is_replayed_too() {
    let sim = Sim::plain().await;
    let form = intent("pay_1", "pm_card_chargeDeclined");

    let first = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");
    let second = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");

    assert_eq!(
        (first.status, second.status, second.replayed),
        (402, 402, true)
    );
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn the_same_key_for_another_request_is_an_error() {
    let sim = Sim::plain().await;
    let first = sim
        .post_keyed(PATH, "k1", &intent("pay_1", "pm_card_visa"))
        .await
        .expect("answer");

    let other = sim
        .post_keyed(PATH, "k1", &intent("pay_2", "pm_card_visa"))
        .await
        .expect("answer");
    let path = format!("{PATH}/{}/capture", first.id());
    let elsewhere = sim.post_keyed(&path, "k1", &[]).await.expect("answer");

    for refused in [other, elsewhere] {
        assert_eq!(
            (refused.status, refused.error_type()),
            (400, "idempotency_error")
        );
    }
    assert_eq!(
        sim.search("pay_2").await.body["data"],
        serde_json::json!([])
    );
}

#[tokio::test]
async fn the_same_key_in_flight_is_a_conflict_and_has_one_effect() {
    let sim = Sim::plain().await;
    let delay = Fault::Delay { delay_ms: 1_500 };
    sim.running
        .faults()
        .add(Rule::on(Op::Create, delay).times(1))
        .expect("a rule");
    let form = intent("pay_1", "pm_card_visa");

    let slow = sim.post_keyed(PATH, "k1", &form);
    let twin = async {
        // The rule is spent once the slow request has reached the simulator.
        while sim.running.faults().list()[0].fired == 0 {
            tokio::task::yield_now().await;
        }
        sim.post_keyed(PATH, "k1", &form).await
    };
    let (slow, twin) = tokio::join!(slow, twin);

    let (slow, twin) = (slow.expect("an answer"), twin.expect("an answer"));
    assert_eq!(slow.status, 200);
    assert_eq!((twin.status, twin.code()), (409, "idempotency_key_in_use"));
    let after = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");
    assert_eq!(
        (after.status, after.replayed, after.id()),
        (200, true, slow.id())
    );
}

#[tokio::test]
async fn invalid_parameters_do_not_use_up_the_key() {
    let sim = Sim::plain().await;
    let mut wrong = intent("pay_1", "pm_card_visa");
    wrong[0] = ("amount", "0");

    let refused = sim.post_keyed(PATH, "k1", &wrong).await.expect("an answer");
    let accepted = sim
        .post_keyed(PATH, "k1", &intent("pay_1", "pm_card_visa"))
        .await
        .expect("an answer");

    assert_eq!((refused.status, accepted.status), (400, 200));
}

#[tokio::test]
async fn fifty_concurrent_twins_authorise_once() {
    let sim = Sim::plain().await;
    let mut twins = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let request = sim
            .request_to_post(PATH, &intent("pay_1", "pm_card_visa"))
            .header("Idempotency-Key", "k1");
        twins.spawn(request.send());
    }

    for sent in twins.join_all().await {
        let status = sent.expect("an answer").status().as_u16();
        assert!(matches!(status, 200 | 409), "{status}");
    }
    let witness = sim.running.witness().expect("a witness");
    assert_eq!(witness.payment("pay_1").expect("sums").authorised.count, 1);
}
