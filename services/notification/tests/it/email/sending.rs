//! What the mail server gets, and what becomes of an e-mail by what it says.

use std::collections::HashSet;
use std::time::Duration;

use time::OffsetDateTime;
use tradepost_notification::domain::email::{Answer, Verdict};
use tradepost_notification::ports::channels::{ChannelQueue, Noting};
use tradepost_notification::ports::email::{EmailAges, Noted};
use tradepost_proto::notification::v1 as pb;
use tradepost_testkit::eventually;
use tradepost_types::{NotificationId, TenantId};

use super::server::{Doors, MailServer, Manner};
use super::stage::{ALL, Stage, WAIT, content, settings};

const SENT: i32 = pb::EmailState::Sent as i32;
const PENDING: i32 = pb::EmailState::Pending as i32;
const FAILED: i32 = pb::EmailState::Failed as i32;

#[tokio::test]
async fn a_user_gets_a_mail_with_what_they_were_told_and_no_more() {
    let stage = Stage::open().await;
    let server = MailServer::start(Doors::Plain).await;
    stage.reader("ann").await;
    stage.work(&server);

    let told = NotificationId::new();
    let text = content("a.b", "Gr\u{fc}\u{df}e", ".a dot\n..two\n.\nand more");
    stage.tell_of(stage.tenant, told, &["ann"], &text).await;
    let email = stage.after("ann", 1).await;

    assert_eq!((email.state, email.last_status), (SENT, 250));
    assert_eq!(email.last_error, "");
    assert_eq!(email.notification_id, told.to_string());
    assert_eq!(email.r#type, "a.b");
    let got = server.got().remove(0);
    assert_eq!(got.from, "<shop@shop.example>");
    assert_eq!(got.to, "<ann@home.example>");
    assert_eq!(
        got.header("Message-ID"),
        format!("<{}@shop.example>", email.email_id)
    );
    assert_eq!(got.header("Auto-Submitted"), "auto-generated");
    assert!(got.header("Subject").starts_with("=?utf-8?"));
    assert_eq!(got.body(), ".a dot\r\n..two\r\n.\r\nand more\r\n");
    assert!(!got.mail.contains("in the data"));
}

#[tokio::test]
async fn a_refusal_for_now_is_tried_again_with_the_same_mail() {
    for manner in [
        Manner::Says("RCPT", "450 4.2.0 greylisted"),
        Manner::Says("MAIL", "421 too busy"),
        Manner::Says("DATA", "451 4.3.0 later"),
        Manner::Says(".", "452 4.3.1 full"),
        Manner::Says("EHLO", "550 go away"),
    ] {
        let stage = Stage::open().await;
        let server = MailServer::start(Doors::Plain).await;
        server.behave(manner);
        stage.reader("ann").await;
        stage.work(&server);

        stage.tell(&["ann"]).await;
        let first = stage.after("ann", 1).await;
        server.behave(Manner::Good);
        stage.time_passes().await;
        let second = stage.after("ann", 2).await;

        assert_eq!(first.state, PENDING, "{manner:?}");
        assert_eq!(first.last_error, "reply", "{manner:?}");
        assert!(first.last_status >= 400, "{manner:?}");
        let due = first.next_attempt_time.unwrap().seconds;
        assert!(due >= OffsetDateTime::now_utc().unix_timestamp() - 60);
        assert_eq!((second.state, second.last_error.as_str()), (SENT, ""));
        assert_eq!(server.got().len(), 1, "{manner:?}");
    }
}

#[tokio::test]
async fn when_the_schedule_is_at_its_end_it_has_failed() {
    let stage = Stage::open().await;
    let server = MailServer::start(Doors::Plain).await;
    server.behave(Manner::Says("MAIL", "451 later"));
    stage.reader("ann").await;
    stage.work(&server);

    stage.tell(&["ann"]).await;
    for attempts in 1..3 {
        assert_eq!(stage.after("ann", attempts).await.state, PENDING);
        stage.time_passes().await;
    }
    let last = stage.after("ann", 3).await;

    assert_eq!((last.state, last.next_attempt_time), (FAILED, None));
    assert!(!stage.address("ann").await.refused);
}

#[tokio::test]
async fn an_address_that_is_refused_for_good_is_sent_nothing_until_another_is_put() {
    let stage = Stage::open().await;
    let server = MailServer::start(Doors::Plain).await;
    server.behave(Manner::Says("RCPT", "550 5.1.1 no such user"));
    stage.reader("ann").await;
    // It waits for a time that does not come in this test.
    stage.tell(&["ann"]).await;
    stage.follow_until(1).await;
    stage
        .sabotage("update emails set next_attempt_at = now() + interval '1 day'")
        .await;
    stage.work(&server);

    stage.tell(&["ann"]).await;
    let refused = stage.after("ann", 1).await;
    let waiting = eventually("what waits has failed", WAIT, async || {
        let first = stage.emails("ann").await.pop()?;
        (first.state == FAILED).then_some(first)
    })
    .await;
    let standing = stage.address("ann").await;
    let unheard = stage.tell(&["ann"]).await.to_string();
    stage.reader("bob").await;
    server.behave(Manner::Good);
    stage.tell(&["bob"]).await;
    stage.after("bob", 1).await;
    stage.put(stage.tenant, "ann", "ann@another.example").await;
    stage.tell(&["ann"]).await;
    let taken = eventually("the new address is used", WAIT, async || {
        let newest = stage.emails("ann").await.into_iter().next()?;
        (newest.state == SENT).then_some(newest)
    })
    .await;

    assert_eq!((refused.state, refused.last_status), (FAILED, 550));
    assert_eq!(refused.last_error, "reply");
    assert_eq!(
        (waiting.last_error.as_str(), waiting.attempts),
        ("no_address", 0)
    );
    assert!(standing.refused);
    let all = stage.emails("ann").await;
    assert!(all.iter().all(|email| email.notification_id != unheard));
    assert_eq!(taken.last_status, 250);
    assert_eq!(server.got()[1].to, "<ann@another.example>");
    assert!(!stage.address("ann").await.refused);
}

#[tokio::test]
async fn a_refusal_of_us_or_of_the_mail_costs_nobody_their_address() {
    for manner in [
        Manner::Says("RCPT", "554 5.7.1 relay access denied"),
        Manner::Says("RCPT", "530 authenticate first"),
        Manner::Says("MAIL", "550 we do not know you"),
        Manner::Says(".", "554 5.6.0 we do not like it"),
    ] {
        let stage = Stage::open().await;
        let server = MailServer::start(Doors::Plain).await;
        server.behave(manner);
        stage.reader("ann").await;
        stage.work(&server);

        stage.tell(&["ann"]).await;
        let email = stage.after("ann", 1).await;

        assert_eq!(email.state, FAILED, "{manner:?}");
        assert!(!stage.address("ann").await.refused, "{manner:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_goes_away_is_tried_again_under_the_same_id() {
    for (manner, fault) in [
        (Manner::Hangs("EHLO"), "timeout"),
        (Manner::Hangs("DATA"), "timeout"),
        (Manner::Drops, "connect"),
    ] {
        let stage = Stage::open().await;
        let server = MailServer::start(Doors::Plain).await;
        server.behave(manner);
        stage.reader("ann").await;
        let patience = match fault {
            "timeout" => Duration::from_secs(2),
            _ => WAIT,
        };
        stage.work_with(settings(&server, patience), 4);

        stage.tell(&["ann"]).await;
        let first = stage.after("ann", 1).await;
        server.behave(Manner::Good);
        // On a busy machine even a good answer may come after the time.
        let last = eventually("it is sent", WAIT, async || {
            stage.time_passes().await;
            let email = stage.emails("ann").await.pop()?;
            (email.state != PENDING).then_some(email)
        })
        .await;

        assert_eq!((first.state, first.last_status), (PENDING, 0), "{manner:?}");
        assert_eq!(first.last_error, fault, "{manner:?}");
        assert_eq!(last.state, SENT, "{manner:?}");
        let got = server.got();
        let ids: HashSet<String> = got.iter().map(|mail| mail.header("Message-ID")).collect();
        assert_eq!(ids.len(), 1, "{manner:?}");
        if matches!(manner, Manner::Drops) {
            // It had taken the first one, and could not say so.
            assert!(got.len() >= 2);
            assert_eq!(got[0].mail, got[1].mail);
        }
    }
}

#[tokio::test]
async fn nobody_there_is_a_fault_of_its_own() {
    let stage = Stage::open().await;
    let server = MailServer::start(Doors::Plain).await;
    let mut nowhere = settings(&server, WAIT);
    nowhere.port = 1;
    stage.reader("ann").await;
    stage.work_with(nowhere, 4);

    stage.tell(&["ann"]).await;

    assert_eq!(stage.after("ann", 1).await.last_error, "connect");
}

#[tokio::test]
async fn in_quiet_hours_it_waits_until_they_end_and_no_attempt_is_made() {
    let stage = Stage::open().await;
    let server = MailServer::start(Doors::Plain).await;
    stage.reader("ann").await;
    stage.reader("bob").await;
    let now = OffsetDateTime::now_utc();
    let minute = i32::from(now.hour()) * 60 + i32::from(now.minute());
    // Twelve hours that begin six hours ago.
    let (start, end) = ((minute + 1_080) % 1_440, (minute + 360) % 1_440);
    let quiet = format!("quiet_start = {start}, quiet_end = {end}, quiet_zone = 'Etc/UTC'");
    stage.prefer(stage.tenant, "ann", ALL, &quiet).await;
    stage.work(&server);

    stage.tell(&["ann", "bob"]).await;
    stage.after("bob", 1).await;
    let waiting = eventually("it is put off", WAIT, async || {
        let email = stage.emails("ann").await.pop()?;
        let due = email.next_attempt_time?.seconds;
        (due > now.unix_timestamp() + 3_600).then_some(email)
    })
    .await;
    let loud = "quiet_start = null, quiet_end = null, quiet_zone = null";
    stage.prefer(stage.tenant, "ann", ALL, loud).await;
    stage.time_passes().await;
    let sent = stage.after("ann", 1).await;

    assert_eq!((waiting.state, waiting.attempts), (PENDING, 0));
    let due = waiting.next_attempt_time.unwrap().seconds - now.unix_timestamp();
    assert!((5 * 3_600..=6 * 3_600).contains(&due), "{due}");
    assert_eq!(sent.state, SENT);
}

#[tokio::test]
async fn racing_processes_send_each_mail_once_and_keep_the_bound_of_the_tenant() {
    let stage = Stage::open().await;
    let server = MailServer::start(Doors::Plain).await;
    stage.reader("ann").await;
    for _ in 0..3 {
        stage.work_with(settings(&server, WAIT), 2);
    }

    for _ in 0..60 {
        stage.tell(&["ann"]).await;
    }
    eventually("all are taken", WAIT, async || {
        let made = stage.emails("ann").await;
        let all = made.len() == 60 && made.iter().all(|one| one.state == SENT);
        all.then_some(())
    })
    .await;

    let got = server.got();
    let ids: HashSet<String> = got.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!((got.len(), ids.len()), (60, 60));
    assert!(server.connections() < 60, "connections are used again");
}

#[tokio::test]
async fn a_tenant_has_so_many_under_way_at_most_and_others_take_turns() {
    let stage = Stage::open().await;
    let other = TenantId::new();
    stage.reader("ann").await;
    stage.reader_of(other, "eve").await;
    for _ in 0..20 {
        stage.tell(&["ann"]).await;
    }
    let told = NotificationId::new();
    stage
        .tell_of(other, told, &["eve"], &content("a.b", "Title", "Text"))
        .await;
    stage.follow_until(21).await;
    let lease = async |limit| {
        let leased = stage.emails.lease(limit, 3, WAIT).await.unwrap();
        let tenants: Vec<TenantId> = leased.iter().map(|leased| leased.tenant).collect();
        tenants
    };

    let first = lease(2).await;
    let second = lease(10).await;
    let third = lease(10).await;

    assert_eq!(
        first.into_iter().collect::<HashSet<_>>(),
        HashSet::from([stage.tenant, other])
    );
    assert_eq!(second, [stage.tenant; 2]);
    assert!(third.is_empty());
}

#[tokio::test]
async fn whoever_was_too_slow_notes_nothing() {
    let stage = Stage::open().await;
    let server = MailServer::start(Doors::Plain).await;
    stage.reader("ann").await;
    stage.tell(&["ann"]).await;
    stage.follow_until(1).await;
    let noted = Noted::Tried {
        verdict: Verdict::Failed,
        answer: Answer::Taken(250),
    };

    let slow = stage.emails.lease(10, 4, WAIT).await.unwrap().remove(0);
    let meanwhile = stage.emails.lease(10, 4, WAIT).await.unwrap();
    stage
        .sabotage("update emails set leased_until = now() - interval '1 second'")
        .await;
    stage.work(&server);
    let email = stage.after("ann", 1).await;
    let late = stage.emails.note(&slow, noted).await.unwrap();

    assert!(meanwhile.is_empty(), "a lease is one's own");
    assert_eq!(late, Noting::TooLate);
    assert_eq!(stage.emails("ann").await, [email]);
}

#[tokio::test]
async fn a_refusal_of_an_address_that_was_replaced_meanwhile_is_not_of_the_new_one() {
    let stage = Stage::open().await;
    stage.reader("ann").await;
    stage.tell(&["ann"]).await;
    stage.follow_until(1).await;
    let leased = stage.emails.lease(10, 4, WAIT).await.unwrap().remove(0);
    let noted = Noted::Tried {
        verdict: Verdict::Refused,
        answer: Answer::Taken(550),
    };

    stage.put(stage.tenant, "ann", "ann@new.example").await;
    stage.emails.note(&leased, noted).await.unwrap();
    let again = stage.emails.lease(10, 4, WAIT).await.unwrap().remove(0);

    assert!(!stage.address("ann").await.refused);
    assert_eq!(again.to.unwrap().expose(), "ann@new.example");
}

#[tokio::test]
async fn what_is_due_is_measured_and_what_is_old_is_forgotten() {
    let stage = Stage::open().await;
    stage.reader("ann").await;
    let none = stage.emails.oldest_due().await.unwrap();
    stage.tell(&["ann"]).await;
    stage.follow_until(1).await;
    stage
        .sabotage("update emails set next_attempt_at = now() - interval '1 hour'")
        .await;
    let hour = stage.emails.oldest_due().await.unwrap().unwrap();
    for table in ["emails", "email_messages"] {
        let old = format!("update {table} set created_at = now() - interval '31 days'");
        stage.sabotage(&old).await;
    }
    stage.tell(&["ann"]).await;
    stage.follow_until(1).await;

    let forgotten = stage.emails.prune(30, 1_000).await.unwrap();

    assert_eq!(none, None);
    assert!(hour >= Duration::from_secs(3_600), "{hour:?}");
    assert_eq!(forgotten, 1);
    assert_eq!(stage.emails("ann").await.len(), 1);
    let messages: i64 = sqlx::query_scalar("select count(*) from email_messages")
        .fetch_one(&mut stage.test_database.admin().await)
        .await
        .unwrap();
    assert_eq!(messages, 1);
}
