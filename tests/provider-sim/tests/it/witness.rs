//! The log: restart and sums.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tradepost_provider_sim::witness::{self, WitnessError};

use crate::support::{LogFile, Sim, intent};

const PATH: &str = "/v1/payment_intents";

#[tokio::test]
async fn the_sums_of_a_payment_come_from_the_log_alone() {
    let log = LogFile::new();
    let sim = Sim::start(log.config()).await;
    let id = sim.authorise("pay_1", "pm_card_visa").await.id();
    sim.post(
        &format!("{PATH}/{id}/capture"),
        &[("amount_to_capture", "600")],
    )
    .await;
    sim.post("/v1/refunds", &[("payment_intent", &id), ("amount", "100")])
        .await;
    sim.post("/v1/refunds", &[("payment_intent", &id), ("amount", "501")])
        .await;
    sim.authorise("pay_2", "pm_card_chargeDeclined").await;
    let voided = sim.authorise("pay_3", "pm_card_visa").await.id();
    sim.post(&format!("{PATH}/{voided}/cancel"), &[]).await;
    sim.running.stop().await;

    let witness = witness::read(&log.0).expect("a witness");

    let sums = witness.payment("pay_1").expect("sums");
    assert_eq!((sums.authorised.count, sums.authorised.amount), (1, 1000));
    assert_eq!((sums.captured.count, sums.captured.amount), (1, 600));
    assert_eq!(
        (sums.released.amount, sums.refunded.amount, sums.refused),
        (400, 100, 1)
    );
    assert_eq!((sums.held(), sums.net()), (0, 500));
    assert_eq!(sums.order_id.as_deref(), Some("ord_1"));
    assert_eq!(sums.intents, [id]);
    let declined = witness.payment("pay_2").expect("sums");
    assert_eq!((declined.declined, declined.authorised.count), (1, 0));
    let voided = witness.payment("pay_3").expect("sums");
    assert_eq!((voided.voided.count, voided.held()), (1, 0));
}

#[tokio::test]
async fn a_restart_knows_every_object_and_every_key() {
    let log = LogFile::new();
    let sim = Sim::start(log.config()).await;
    let form = intent("pay_1", "pm_card_visa");
    let created = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");
    let capture = format!("{PATH}/{}/capture", created.id());
    let captured = sim
        .post_keyed(&capture, "k2", &[])
        .await
        .expect("an answer");
    let refund = sim
        .post("/v1/refunds", &[("payment_intent", &created.id())])
        .await;
    let before = sim.get(&format!("{PATH}/{}", created.id())).await;
    sim.running.stop().await;

    let sim = Sim::start(log.config()).await;

    let replayed = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");
    assert_eq!((replayed.replayed, &replayed.body), (true, &created.body));
    let replayed = sim
        .post_keyed(&capture, "k2", &[])
        .await
        .expect("an answer");
    assert_eq!((replayed.replayed, &replayed.body), (true, &captured.body));
    assert_eq!(
        sim.get(&format!("{PATH}/{}", created.id())).await.body,
        before.body
    );
    let read = sim.get(&format!("/v1/refunds/{}", refund.id())).await;
    assert_eq!(read.body, refund.body);
    assert_eq!(sim.search("pay_1").await.body["data"][0], before.body);
    let again = sim
        .post("/v1/refunds", &[("payment_intent", &created.id())])
        .await;
    assert_eq!(again.code(), "charge_already_refunded");
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off() {
    let log = LogFile::new();
    let sim = Sim::start(log.config()).await;
    sim.authorise("pay_1", "pm_card_visa").await;
    sim.running.stop().await;
    let mut file = OpenOptions::new()
        .append(true)
        .open(&log.0)
        .expect("the log");
    file.write_all(b"{\"seq\":2,\"ti").expect("half a line");

    let sim = Sim::start(log.config()).await;
    sim.authorise("pay_2", "pm_card_visa").await;

    let witness = witness::read(&log.0).expect("a witness");
    assert_eq!(witness.payments.len(), 2);
}

#[test]
fn a_log_with_a_gap_is_no_witness() {
    let line = |seq: u64| {
        let line = json!({ "seq": seq, "time": "2026-01-01T00:00:00Z", "op": "get",
            "outcome": "fault" });
        format!("{line}\n")
    };

    let gap = witness::parse([line(1), line(3)].concat().as_bytes());

    assert!(matches!(
        gap,
        Err(WitnessError::Gap {
            expected: 2,
            found: 3
        })
    ));
}

#[tokio::test]
async fn a_reset_forgets_everything_and_begins_the_sums_anew() {
    let log = LogFile::new();
    let sim = Sim::start(log.config()).await;
    let form = intent("pay_1", "pm_card_visa");
    let before = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");

    let reset = sim
        .admin(reqwest::Method::POST, "/_sim/reset", Value::Null)
        .await;
    let after = sim.post_keyed(PATH, "k1", &form).await.expect("an answer");

    assert_eq!(reset.status, 204);
    assert!(!after.replayed);
    assert_ne!(before.id(), after.id());
    let witness = sim.running.witness().expect("a witness");
    assert_eq!((witness.resets, witness.entries), (1, 1));
}

#[tokio::test]
async fn the_log_can_be_read_over_http() {
    let sim = Sim::plain().await;
    sim.authorise("pay_1", "pm_card_visa").await;
    sim.authorise("pay_2", "pm_card_visa").await;
    let url = format!("{}/_sim/log?payment_id=pay_2", sim.running.url());

    let text = sim
        .client
        .get(url)
        .send()
        .await
        .expect("sent")
        .text()
        .await
        .expect("text");

    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["seq"], &lines[0]["op"]),
        (&2.into(), &"create".into())
    );
    assert_eq!(
        lines[0]["moves"],
        json!([{ "kind": "authorised", "amount": 1000 }])
    );
}

/// The binary, killed without mercy when dropped.
struct Process(Child);

impl Process {
    fn start(log: &LogFile) -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_provider-sim"))
            .args(["--listen", "127.0.0.1:0", "--log"])
            .arg(&log.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("its output");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its first line");
        let url = line.trim().rsplit(' ').next().expect("a url").to_owned();
        (Self(child), url)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn kill_nine_loses_nothing_that_was_answered() {
    let log = LogFile::new();
    let (process, url) = Process::start(&log);
    let client = crate::support::client();
    let mut ids = Vec::new();
    for number in 0..20 {
        let payment = format!("pay_{number}");
        let request = client
            .post(format!("{url}{PATH}"))
            .bearer_auth("sk_test_sim");
        let request = request.form(&intent(&payment, "pm_card_visa"));
        let answer = crate::support::answer(request.send().await.expect("an answer")).await;
        ids.push(answer.id());
    }

    drop(process);
    let (_process, url) = Process::start(&log);

    for id in ids {
        let request = client
            .get(format!("{url}{PATH}/{id}"))
            .bearer_auth("sk_test_sim");
        assert_eq!(request.send().await.expect("an answer").status(), 200);
    }
    assert_eq!(witness::read(&log.0).expect("a witness").payments.len(), 20);
}
