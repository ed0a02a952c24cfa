//! Tickets: once, for half a minute, for whoever got them.

use std::sync::Arc;

use axum::http::{Method, Request};
use http_body_util::Full;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tonic::Code;
use tradepost_gateway::adapters::postgres::PgCredentials;
use tradepost_gateway::adapters::postgres::PgIdentity;
use tradepost_gateway::domain::caller::{Caller, Plan, Proof, Subject, Verified};
use tradepost_gateway::domain::revocation::Basis;
use tradepost_gateway::domain::rights::Role;
use tradepost_gateway::ports::credentials::TicketStore;
use tradepost_gateway::ports::identity::SessionStore;
use tradepost_postgres::Database;
use tradepost_testkit::eventually;
use tradepost_types::{ClientId, SessionId, TenantId, UserId};
use uuid::Uuid;

use super::door::{Door, OWNER, TICKETS, bearer, ticket};
use crate::echo::{PATH, closed, echo, open, said_back};
use crate::stage::{SOON, migrated};

const INVALID: (Code, &str) = (Code::Unauthenticated, "TICKET_INVALID");

async fn waiting(door: &Door) -> i64 {
    sqlx::query_scalar("select count(*) from connection_tickets")
        .fetch_one(&mut door.shop.database.admin().await)
        .await
        .unwrap()
}

async fn run(door: &Door, sql: &'static str) {
    let mut admin = door.shop.database.admin().await;
    sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
}

#[tokio::test]
async fn a_ticket_stands_once_for_the_credentials_it_was_got_with() {
    let door = Door::open().await;
    let token = door.token().await;
    let before = OffsetDateTime::now_utc();

    let given = door.shop.gate.post(TICKETS, &token, json!({})).await;
    let text = given.json()["ticket"].as_str().unwrap().to_owned();
    let expires_at = given.json()["expires_at"].as_str().unwrap().to_owned();
    let by_token = door.admit(bearer(&token)).await.unwrap();
    let by_ticket = door.admit(ticket(&text)).await.unwrap();
    let (code, reason) = door.refused(ticket(&text)).await;

    assert_eq!(given.status, 201);
    let lives = OffsetDateTime::parse(&expires_at, &Rfc3339).unwrap() - before;
    assert!((29..=60).contains(&lives.whole_seconds()), "{lives}");
    assert_eq!(by_ticket, by_token);
    assert_eq!((code, reason.as_str()), INVALID);
    eventually("the trail has it", SOON, async || {
        let entries = door.shop.entries("create_notification_ticket").await;
        (entries == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_ticket_that_has_run_out_is_refused_and_none_is_kept() {
    let door = Door::open().await;
    let token = door.token().await;
    let (late, swept) = (door.ticket(&token).await, door.ticket(&token).await);
    run(
        &door,
        "update connection_tickets set expires_at = now() - interval '1 second'",
    )
    .await;

    let (code, reason) = door.refused(ticket(&late)).await;
    let config = door.shop.database.config();
    let database = Database::connect_lazy(&config, "test").unwrap();
    PgIdentity::new(database).sweep().await.unwrap();

    assert_eq!((code, reason.as_str()), INVALID);
    assert_eq!(waiting(&door).await, 0);
    assert_eq!(door.refused(ticket(&swept)).await.1, "TICKET_INVALID");
}

#[tokio::test]
async fn a_ticket_is_no_longer_good_than_the_credentials_behind_it() {
    let door = Door::open().await;
    let session = door.shop.gate.login(OWNER).await;
    let (revoked, lapsed) = (
        door.ticket(&session.access).await,
        door.ticket(&door.token().await).await,
    );
    door.shop
        .gate
        .call("/v1/auth/logout", &session.access)
        .await;
    run(
        &door,
        "update connection_tickets set credentials_expire_at = now()",
    )
    .await;

    let lapsed = door.refused(ticket(&lapsed)).await;
    run(
        &door,
        "update connection_tickets set credentials_expire_at = null",
    )
    .await;
    let revoked = door.refused(ticket(&revoked)).await;

    let unauthenticated = |reason: &str| (Code::Unauthenticated, reason.to_owned());
    assert_eq!(lapsed, unauthenticated("TOKEN_EXPIRED"));
    assert_eq!(revoked, unauthenticated("CREDENTIALS_REVOKED"));
    assert_eq!(waiting(&door).await, 0, "refused, and used up");
}

#[tokio::test]
async fn no_ticket_can_be_read_out_of_the_database() {
    let door = Door::open().await;
    let text = door.ticket(&door.token().await).await;

    let rows: Vec<String> = sqlx::query_scalar(
        "select connection_tickets::text || encode(ticket_hash, 'escape') from connection_tickets",
    )
    .fetch_all(&mut door.shop.database.admin().await)
    .await
    .unwrap();

    assert_eq!(rows.len(), 1);
    let secret = text.strip_prefix("tpt_").unwrap();
    assert!(!rows[0].contains(secret));
}

#[tokio::test]
async fn a_ticket_is_for_people_of_a_tenant_and_its_wish_says_nothing() {
    let door = Door::open().await;
    let owner = door.token().await;
    let (_, key) = door.key(&owner, "orders:read").await;

    let by_key = door.shop.gate.post(TICKETS, &key, json!({})).await;
    let more = door
        .shop
        .gate
        .post(TICKETS, &owner, json!({"seconds": 300}))
        .await;
    let none = door.shop.gate.call(TICKETS, &owner).await;

    assert_eq!(by_key.faults().1, "PERMISSION_DENIED");
    let place = vec![("pointer".to_owned(), "/seconds".to_owned())];
    assert_eq!(more.faults(), (400, "INVALID_FIELD".to_owned(), place));
    assert_eq!(none.status, 415);
    assert_eq!(waiting(&door).await, 0);
}

/// Two processes, nothing between them but the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_race_for_a_ticket_one_gets_it() {
    let test_database = migrated().await;
    let mut config = test_database.config();
    config.acquire_timeout_ms = 20_000;
    let store = || {
        let database = Database::connect_lazy(&config, "test").unwrap();
        Arc::new(PgCredentials::new(database))
    };
    let stores = [store(), store()];
    let verified = somebody();
    let tenant = verified.caller.tenant.unwrap();
    sqlx::query("insert into tenants (tenant_id, name, plan) values ($1, 'shop', 'standard')")
        .bind(tenant.as_uuid())
        .execute(&mut test_database.admin().await)
        .await
        .unwrap();

    for round in 0..20_u8 {
        let hash = [round; 32];
        stores[0].keep(&hash, tenant, &verified).await.unwrap();
        let takers = (0..8).map(|taker| {
            let store = Arc::clone(&stores[taker % 2]);
            tokio::spawn(async move { store.take(&hash).await.unwrap() })
        });
        let taken = futures::future::join_all(takers).await;
        let taken: Vec<_> = taken.into_iter().filter_map(Result::unwrap).collect();

        assert_eq!(taken, std::slice::from_ref(&verified), "all of it, once");
    }
}

/// Somebody with all that credentials may have.
fn somebody() -> Verified {
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
    let caller = Caller {
        subject: Subject::User(UserId::new()),
        tenant: Some(TenantId::new()),
        role: Role::Manager,
        rights: Role::Customer.rights().and(Role::Manager.rights()),
        session: Some(SessionId::new()),
        client: Some(ClientId::new()),
        plan: Plan::default(),
        proof: Proof::SecondFactor { at: at(1_000) },
        expires_at: Some(at(4_000_000_000)),
    };
    let basis = Basis {
        issued_at: at(2_000),
        subject: caller.subject,
        tenant: caller.tenant,
        session: caller.session,
        token: Some(Uuid::from_u128(7)),
        client: caller.client,
    };
    Verified { caller, basis }
}

#[tokio::test]
async fn at_the_gateway_a_ticket_opens_a_socket_or_a_stream_that_ends_with_its_session() {
    let (_seen, url) = echo().await;
    let door = Door::with(|config| {
        config.upstreams.notification_live_url = Some(url.parse().unwrap());
    })
    .await;
    let session = door.shop.gate.login(OWNER).await;
    let gate = &door.shop.gate;
    let shown = format!("ticket, {}", door.ticket(&session.access).await);
    let shown = [("sec-websocket-protocol", shown.as_str())];

    let (mut socket, answer) = open(gate.addr(), PATH, &shown).await.unwrap();
    let again = open(gate.addr(), PATH, &shown).await.err();
    let streamed = streaming(&door, &door.ticket(&session.access).await).await;
    let orders = format!("Ticket {}", door.ticket(&session.access).await);
    let request = Request::get(format!("http://{}/v1/notifications/unread", gate.addr()));
    let request = request.header("authorization", orders);
    let elsewhere = gate
        .send(request.body(Full::default()).unwrap())
        .await
        .unwrap();

    assert_eq!(answer["sec-websocket-protocol"], "ticket");
    assert_eq!(again, Some((401, "TICKET_INVALID".to_owned())));
    assert_eq!(streamed, (200, 401));
    assert_eq!(elsewhere.faults().1, "CREDENTIALS_MALFORMED");
    said_back(&mut socket, "hello").await;
    let ended = gate.ask(Method::POST, "/v1/auth/logout", &session.access, None);
    assert_eq!(ended.await.status, 204);
    assert_eq!(closed(&mut socket).await.0, 4403);
}

/// How the stream of events is answered by this ticket, and by the same again.
async fn streaming(door: &Door, ticket: &str) -> (u16, u16) {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http();
    let ask = async || {
        let uri = format!("http://{}/v1/notifications/sse", door.shop.gate.addr());
        let request = Request::get(uri).header("authorization", format!("Ticket {ticket}"));
        let request = request.body(Full::<axum::body::Bytes>::default()).unwrap();
        client.request(request).await.unwrap().status().as_u16()
    };
    (ask().await, ask().await)
}
