//! The endpoints and the cards.

use tradepost_provider_sim::ActionResult;

use crate::support::{Sim, answer, intent};

#[tokio::test]
async fn a_request_without_the_secret_key_is_unauthorised() {
    let sim = Sim::plain().await;
    let url = format!("{}/v1/payment_intents/pi_1", sim.running.url());

    let without = answer(sim.client.get(&url).send().await.expect("an answer")).await;
    let wrong = sim
        .client
        .get(&url)
        .bearer_auth("sk_other")
        .send()
        .await
        .expect("an answer");

    assert_eq!(without.status, 401);
    assert_eq!(without.error_type(), "invalid_request_error");
    assert_eq!(wrong.status(), 401);
}

#[tokio::test]
async fn a_good_card_is_authorised_captured_in_part_and_refunded() {
    let sim = Sim::plain().await;

    let created = sim.authorise("pay_1", "pm_card_visa").await;
    let path = format!("/v1/payment_intents/{}", created.id());
    let captured = sim
        .post(&format!("{path}/capture"), &[("amount_to_capture", "600")])
        .await;
    let refund = sim
        .post(
            "/v1/refunds",
            &[
                ("payment_intent", &created.id()),
                ("amount", "250"),
                ("metadata[refund_id]", "ref_1"),
            ],
        )
        .await;

    assert_eq!((created.status, created.state()), (200, "requires_capture"));
    assert_eq!(created.body["amount_capturable"], 1000);
    assert_eq!(created.body["metadata"]["order_id"], "ord_1");
    assert_eq!((captured.status, captured.state()), (200, "succeeded"));
    assert_eq!(captured.body["amount_received"], 600);
    assert_eq!(captured.body["amount_capturable"], 0);
    assert_eq!((refund.status, refund.state()), (200, "succeeded"));
    assert_eq!(refund.body["metadata"]["refund_id"], "ref_1");
    let read = sim.get(&format!("/v1/refunds/{}", refund.id())).await;
    assert_eq!(read.body, refund.body);
    let listed = sim
        .get(&format!("/v1/refunds?payment_intent={}", created.id()))
        .await;
    assert_eq!(listed.body["data"][0]["id"], refund.body["id"]);
    let charge = sim.get(&format!("{path}?expand[]=latest_charge")).await;
    assert_eq!(charge.body["latest_charge"]["amount_refunded"], 250);
}

#[tokio::test]
async fn refunds_never_exceed_what_was_captured() {
    let sim = Sim::plain().await;
    let id = sim.captured("pay_1", "pm_card_visa").await;
    let refund = async |amount: &str| {
        sim.post(
            "/v1/refunds",
            &[("payment_intent", id.as_str()), ("amount", amount)],
        )
        .await
    };

    let first = refund("700").await;
    let too_large = refund("301").await;
    let rest = refund("300").await;
    let after = refund("1").await;

    assert_eq!((first.status, rest.status), (200, 200));
    assert_eq!(
        (too_large.status, too_large.code()),
        (400, "amount_too_large")
    );
    assert_eq!(
        (after.status, after.code()),
        (400, "charge_already_refunded")
    );
    let witness = sim.running.witness().expect("a witness");
    assert_eq!(witness.payment("pay_1").expect("sums").net(), 0);
}

#[tokio::test]
async fn racing_refunds_pay_out_only_once() {
    let sim = Sim::plain().await;
    let id = sim.captured("pay_1", "pm_card_visa").await;
    let form = [("payment_intent", id.as_str()), ("amount", "800")];

    let (one, other) = tokio::join!(
        sim.post("/v1/refunds", &form),
        sim.post("/v1/refunds", &form)
    );

    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn declining_cards_answer_a_card_error_and_leave_the_intent_without_a_method() {
    let sim = Sim::plain().await;

    for (card, decline) in [
        ("pm_card_chargeDeclined", "generic_decline"),
        (
            "pm_card_chargeDeclinedInsufficientFunds",
            "insufficient_funds",
        ),
    ] {
        let declined = sim.authorise("pay_1", card).await;

        assert_eq!((declined.status, declined.code()), (402, "card_declined"));
        assert_eq!(declined.error_type(), "card_error");
        assert_eq!(declined.body["error"]["decline_code"], decline);
        let id = declined.body["error"]["payment_intent"]["id"]
            .as_str()
            .expect("an id");
        let read = sim.get(&format!("/v1/payment_intents/{id}")).await;
        assert_eq!(read.state(), "requires_payment_method");
        let path = format!("/v1/payment_intents/{id}/confirm");
        let again = sim.post(&path, &[("payment_method", "pm_card_visa")]).await;
        assert_eq!(again.state(), "requires_capture");
    }
}

#[tokio::test]
async fn an_authentication_can_succeed_or_fail() {
    let sim = Sim::plain().await;

    let good = sim
        .authorise("pay_1", "pm_card_authenticationRequired")
        .await;
    let bad = sim
        .authorise("pay_2", "pm_card_authenticationRequired")
        .await;
    sim.running
        .complete_action(&good.id(), ActionResult::Succeed)
        .await
        .expect("done");
    let path = format!("/_sim/complete_action/{}?result=fail", bad.id());
    let failed = sim
        .admin(reqwest::Method::POST, &path, serde_json::Value::Null)
        .await;

    assert_eq!(good.state(), "requires_action");
    assert_eq!(good.body["next_action"]["type"], "use_stripe_sdk");
    let read = sim.get(&format!("/v1/payment_intents/{}", good.id())).await;
    assert_eq!(read.state(), "requires_capture");
    assert_eq!(
        (failed.status, failed.state()),
        (200, "requires_payment_method")
    );
    let code = &failed.body["last_payment_error"]["code"];
    assert_eq!(code, "payment_intent_authentication_failure");
}

#[tokio::test]
async fn confirming_in_two_steps_authorises_once() {
    let sim = Sim::plain().await;
    let created = sim
        .post(
            "/v1/payment_intents",
            &[
                ("amount", "500"),
                ("currency", "eur"),
                ("capture_method", "manual"),
                ("payment_method", "pm_card_visa"),
                ("metadata[payment_id]", "pay_1"),
            ],
        )
        .await;
    let path = format!("/v1/payment_intents/{}/confirm", created.id());

    let confirmed = sim.post(&path, &[]).await;
    let again = sim.post(&path, &[]).await;

    assert_eq!(created.state(), "requires_confirmation");
    assert_eq!(confirmed.state(), "requires_capture");
    assert_eq!(
        (again.status, again.code()),
        (400, "payment_intent_unexpected_state")
    );
    let witness = sim.running.witness().expect("a witness");
    assert_eq!(witness.payment("pay_1").expect("sums").authorised.count, 1);
}

#[tokio::test]
async fn cancel_voids_once_and_is_refused_after_a_capture() {
    let sim = Sim::plain().await;
    let open = sim.authorise("pay_1", "pm_card_visa").await.id();
    let taken = sim.captured("pay_2", "pm_card_visa").await;

    let canceled = sim
        .post(&format!("/v1/payment_intents/{open}/cancel"), &[])
        .await;
    let again = sim
        .post(&format!("/v1/payment_intents/{open}/cancel"), &[])
        .await;
    let late = sim
        .post(&format!("/v1/payment_intents/{taken}/cancel"), &[])
        .await;
    let capture = sim
        .post(&format!("/v1/payment_intents/{open}/capture"), &[])
        .await;

    assert_eq!((canceled.status, canceled.state()), (200, "canceled"));
    for refused in [again, late, capture] {
        assert_eq!(
            (refused.status, refused.code()),
            (400, "payment_intent_unexpected_state")
        );
        assert!(refused.body["error"]["payment_intent"]["id"].is_string());
    }
}

#[tokio::test]
async fn an_expired_authorisation_fails_at_capture_and_cancels_the_intent() {
    let sim = Sim::plain().await;
    let id = sim
        .authorise("pay_1", "pm_card_sim_authorizationExpired")
        .await
        .id();

    let capture = sim
        .post(&format!("/v1/payment_intents/{id}/capture"), &[])
        .await;

    assert_eq!(
        (capture.status, capture.code()),
        (400, "charge_expired_for_capture")
    );
    let read = sim.get(&format!("/v1/payment_intents/{id}")).await;
    assert_eq!(
        (read.state(), &read.body["cancellation_reason"]),
        ("canceled", &"automatic".into())
    );
    let witness = sim.running.witness().expect("a witness");
    let sums = witness.payment("pay_1").expect("sums");
    assert_eq!(
        (sums.held(), sums.captured.count, sums.expired.amount),
        (0, 0, 1000)
    );
}

#[tokio::test]
async fn a_card_can_answer_another_amount() {
    let sim = Sim::plain().await;

    let created = sim.authorise("pay_1", "pm_card_sim_otherAmount").await;

    assert_eq!(created.body["amount"], 1001);
}

#[tokio::test]
async fn search_finds_by_payment_id_and_pages() {
    let sim = Sim::plain().await;
    let first = sim.authorise("pay_1", "pm_card_visa").await.id();
    let second = sim.authorise("pay_1", "pm_card_visa").await.id();
    sim.authorise("pay_2", "pm_card_visa").await;

    let found = sim.search("pay_1").await;
    let none = sim.search("pay_9").await;
    let query = "query=metadata%5B%27payment_id%27%5D:%27pay_1%27&limit=1";
    let page = sim
        .get(&format!("/v1/payment_intents/search?{query}"))
        .await;
    let bad = sim.get("/v1/payment_intents/search?query=metadata").await;

    assert_eq!(found.body["object"], "search_result");
    let ids: Vec<_> = found.body["data"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(
        (&ids[0]["id"], &ids[1]["id"]),
        (&second.into(), &first.into())
    );
    assert_eq!(none.body["data"], serde_json::json!([]));
    assert_eq!(
        (&page.body["has_more"], &page.body["next_page"]),
        (&true.into(), &"1".into())
    );
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn bad_parameters_are_refused_in_the_providers_words() {
    let sim = Sim::plain().await;
    let mut forms = Vec::new();
    for (name, value, code) in [
        ("amount", "0", "parameter_invalid_integer"),
        ("amount", "12.5", "parameter_invalid_integer"),
        ("amount", "100000000", "amount_too_large"),
        ("currency", "EUR", ""),
        ("payment_method", "pm_unknown", "resource_missing"),
        ("confirm", "yes", ""),
        ("metadata[payment_id", "x", ""),
        ("amout", "1", "parameter_unknown"),
    ] {
        let mut form = intent("pay_1", "pm_card_visa").to_vec();
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        forms.push((form, code));
    }

    for (form, code) in forms {
        let refused = sim.post("/v1/payment_intents", &form).await;

        assert_eq!(
            (refused.status, refused.code()),
            (400, code),
            "{}",
            refused.body
        );
        assert_eq!(refused.error_type(), "invalid_request_error");
    }
    let missing = sim.get("/v1/payment_intents/pi_none").await;
    assert_eq!((missing.status, missing.code()), (404, "resource_missing"));
    assert_eq!(sim.get("/v1/nothing").await.status, 404);
}
