//! What a tenant manages.

use tonic::Status;
use tradepost_notification::ports::channels::{ChannelQueue, Noting};
use tradepost_notification::ports::email::Noted;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::email_service_server::EmailService;
use tradepost_service::error::ErrorDetails;
use tradepost_types::{EmailId, TenantId};

use super::server::{Doors, MailServer, Manner};
use super::stage::{Stage, WAIT, call_as};

fn reason<T>(answer: Result<T, Status>) -> String {
    ErrorDetails::from_status(&answer.err().expect("it is refused")).reason
}

fn get(user: &str) -> pb::GetAddressRequest {
    pb::GetAddressRequest {
        user_id: user.to_owned(),
    }
}

fn delete(user: &str) -> pb::DeleteAddressRequest {
    pb::DeleteAddressRequest {
        user_id: user.to_owned(),
    }
}

fn resend(request_id: &str, email_id: &str) -> pb::ResendEmailRequest {
    pb::ResendEmailRequest {
        request_id: request_id.to_owned(),
        email_id: email_id.to_owned(),
    }
}

#[tokio::test]
async fn an_address_is_put_replaced_shown_and_forgotten() {
    let stage = Stage::open().await;
    let api = &stage.api;

    stage.put(stage.tenant, "ann", "ann@home.example").await;
    let first = stage.address("ann").await;
    stage.put(stage.tenant, "ann", "ann@work.example").await;
    let second = stage.address("ann").await;
    api.delete_address(stage.call(delete("ann"))).await.unwrap();
    api.delete_address(stage.call(delete("ann"))).await.unwrap();
    let after = api.get_address(stage.call(get("ann"))).await;

    assert_eq!(first.address, "ann@home.example");
    assert_eq!((first.user_id.as_str(), first.refused), ("ann", false));
    assert!(first.update_time.is_some());
    assert_eq!(second.address, "ann@work.example");
    assert_eq!(reason(after), "ADDRESS_NOT_FOUND");
}

#[tokio::test]
async fn every_bad_field_is_named_and_no_address_is_repeated() {
    let stage = Stage::open().await;
    let put = pb::PutAddressRequest {
        user_id: String::new(),
        address: "canary@home.example\r\nRCPT TO:<eve@evil.example>".to_owned(),
    };
    let list = pb::ListEmailsRequest {
        user_id: "x".repeat(129),
        state: 9,
        ..Default::default()
    };

    let put = stage.api.put_address(stage.call(put)).await.unwrap_err();
    let list = stage.api.list_emails(stage.call(list)).await.unwrap_err();
    let again = stage.api.resend_email(stage.call(resend("", "x"))).await;

    let fields = |status: &Status| -> Vec<String> {
        let details = ErrorDetails::from_status(status);
        details
            .fields
            .into_iter()
            .map(|fault| fault.field)
            .collect()
    };
    assert_eq!(fields(&put), ["user_id", "address"]);
    assert_eq!(fields(&list), ["user_id", "state"]);
    assert_eq!(fields(&again.unwrap_err()), ["request_id", "email_id"]);
    assert!(!format!("{put:?}").contains("canary"), "{put:?}");
}

#[tokio::test]
async fn a_forgotten_address_stops_what_waits_even_what_somebody_is_at() {
    let stage = Stage::open().await;
    stage.reader("ann").await;
    stage.reader("bob").await;
    stage.tell(&["ann", "bob"]).await;
    stage.tell(&["ann"]).await;
    stage.follow_until(3).await;
    let leased = stage.emails.lease(1, 4, WAIT).await.unwrap().remove(0);

    let gone = pb::DeleteAddressRequest {
        user_id: leased.user.clone(),
    };
    stage.api.delete_address(stage.call(gone)).await.unwrap();
    let until = time::OffsetDateTime::now_utc();
    let noted = stage.emails.note(&leased, Noted::Quiet(until)).await;
    stage
        .put(stage.tenant, &leased.user, "new@home.example")
        .await;
    let due = stage.emails.lease(10, 4, WAIT).await.unwrap();

    assert_eq!(noted.unwrap(), Noting::TooLate);
    for email in stage.emails(&leased.user).await {
        assert_eq!(email.state(), pb::EmailState::Failed);
        assert_eq!(email.last_error, "no_address");
    }
    assert!(due.iter().all(|other| other.user != leased.user));
    assert!(!due.is_empty(), "others' mail waits still");
}

#[tokio::test]
async fn one_is_sent_again_whatever_became_of_it_and_once_for_a_request() {
    let stage = Stage::open().await;
    let server = MailServer::start(Doors::Plain).await;
    server.behave(Manner::Says(".", "554 5.6.0 no"));
    stage.reader("ann").await;
    stage.work(&server);
    stage.tell(&["ann"]).await;
    let failed = stage.after("ann", 1).await;
    let id = &failed.email_id;
    let api = &stage.api;

    server.behave(Manner::Good);
    let resent = api.resend_email(stage.call(resend("1", id))).await;
    let resent = resent.unwrap().into_inner().email.unwrap();
    let sent = tradepost_testkit::eventually("it is sent", WAIT, async || {
        let email = stage.emails("ann").await.pop()?;
        (email.state() == pb::EmailState::Sent).then_some(email)
    })
    .await;
    let again = api.resend_email(stage.call(resend("1", id))).await;
    let again = again.unwrap().into_inner().email.unwrap();
    let other = api
        .resend_email(stage.call(resend("1", &EmailId::new().to_string())))
        .await;
    let unknown = api
        .resend_email(stage.call(resend("2", &EmailId::new().to_string())))
        .await;
    api.delete_address(stage.call(delete("ann"))).await.unwrap();
    let homeless = api.resend_email(stage.call(resend("3", id))).await;

    assert_eq!(failed.state(), pb::EmailState::Failed);
    assert_eq!(resent.state(), pb::EmailState::Pending);
    assert_eq!((sent.attempts, sent.last_status), (1, 250));
    assert_eq!(again, sent);
    assert_eq!(reason(other), "REQUEST_ID_REUSED");
    assert_eq!(reason(unknown), "EMAIL_NOT_FOUND");
    assert_eq!(
        homeless.as_ref().unwrap_err().code(),
        tonic::Code::FailedPrecondition
    );
    assert_eq!(reason(homeless), "ADDRESS_NOT_FOUND");
    assert_eq!(server.got().len(), 1);
}

#[tokio::test]
async fn a_list_goes_on_where_it_stopped_and_keeps_to_its_state() {
    let stage = Stage::open().await;
    stage.reader("ann").await;
    for _ in 0..5 {
        stage.tell(&["ann"]).await;
    }
    stage.follow_until(5).await;
    stage
        .sabotage(
            "update emails set state = 'sent'
             where email_id = (select email_id from emails order by created_at, email_id limit 1)",
        )
        .await;
    let page = async |token: &str, state: pb::EmailState| {
        let request = pb::ListEmailsRequest {
            user_id: "ann".to_owned(),
            state: state.into(),
            page_size: 2,
            page_token: token.to_owned(),
        };
        let found = stage.api.list_emails(stage.call(request)).await;
        found.map(tonic::Response::into_inner)
    };

    let any = pb::EmailState::Unspecified;
    let first = page("", any).await.unwrap();
    let second = page(&first.next_page_token, any).await.unwrap();
    let third = page(&second.next_page_token, any).await.unwrap();
    let sent = page("", pb::EmailState::Sent).await.unwrap();
    let strange = page(&first.next_page_token, pb::EmailState::Sent).await;

    let listed = [first.emails, second.emails, third.emails].concat();
    assert_eq!(listed, stage.emails("ann").await);
    assert_eq!(listed.len(), 5);
    assert_eq!(third.next_page_token, "");
    assert_eq!(sent.emails, listed[4..]);
    assert_eq!(reason(strange), "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn nothing_of_a_tenant_is_seen_or_touched_by_another() {
    let stage = Stage::open().await;
    stage.reader("ann").await;
    stage.tell(&["ann"]).await;
    stage.follow_until(1).await;
    let mine = stage.emails("ann").await;
    let (api, other) = (&stage.api, TenantId::new());

    let seen = api.get_address(call_as(other, get("ann"))).await;
    let request = resend("1", &mine[0].email_id);
    let resent = api.resend_email(call_as(other, request)).await;
    api.delete_address(call_as(other, delete("ann")))
        .await
        .unwrap();
    stage.put(other, "ann", "ann@other.example").await;

    assert_eq!(reason(seen), "ADDRESS_NOT_FOUND");
    assert_eq!(reason(resent), "EMAIL_NOT_FOUND");
    assert_eq!(stage.emails_of(other, "ann").await, []);
    assert_eq!(stage.emails("ann").await, mine);
    assert_eq!(stage.address("ann").await.address, "ann@home.example");
}
