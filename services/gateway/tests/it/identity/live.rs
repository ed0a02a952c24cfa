//! Revocation between two processes: what is revoked at one is over at the other, on connections
//! that are open as on requests that come. Nothing joins them but the database.

use tradepost_testkit::{Process, TestDatabase, Trust, eventually};

use super::process::{builder, served};
use super::shop::{Gate, OPERATOR, PASSWORD, make_operator};
use crate::echo::{PATH, Socket, closed, echo, open, said_back};
use crate::stage::{SOON, migrated};

const OWNER: &str = "ada@example.com";
const MEMBER: &str = "bob@example.com";

/// Two processes with one tenant.
struct Pair {
    /// Where it is revoked.
    here: Gate,
    /// Where the sockets are.
    there: Gate,
    tenant: String,
    operator: String,
    _processes: [Process; 2],
    _database: TestDatabase,
    _trust: Trust,
}

impl Pair {
    async fn start() -> Self {
        let (database, trust) = (migrated().await, Trust::new());
        make_operator(&database.config()).await;
        let (_seen, url) = echo().await;
        let process = || {
            builder(&database, &trust)
                .env("TRADEPOST_GATEWAY__UPSTREAMS__NOTIFICATION_LIVE_URL", &url)
        };
        let (first, here) = served(process()).await;
        let (second, there) = served(process()).await;
        let operator = here.login(OPERATOR).await.access;
        let body = serde_json::json!({"name": "Acme", "owner_email": OWNER,
            "owner_password": PASSWORD});
        let made = here.post("/v1/tenants", &operator, body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        Self {
            here,
            there,
            tenant: made.json()["tenant_id"].as_str().unwrap().to_owned(),
            operator,
            _processes: [first, second],
            _database: database,
            _trust: trust,
        }
    }

    /// Somebody who does not log in again; their id.
    async fn member(&self, owner: &str) -> String {
        let body = serde_json::json!({"email": MEMBER, "role": "support", "password": PASSWORD});
        let made = self.here.post("/v1/users", owner, body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        made.json()["user_id"].as_str().unwrap().to_owned()
    }

    /// A socket at the other process on which something was said.
    async fn socket(&self, token: &str) -> Socket {
        let authorization = format!("Bearer {token}");
        let shown = [("authorization", authorization.as_str())];
        let (mut socket, _) = open(self.there.addr(), PATH, &shown).await.unwrap();
        said_back(&mut socket, "hello").await;
        socket
    }

    /// The status and the reason by which the other process refuses, once it does.
    async fn refused(&self, token: &str) -> (u16, String) {
        eventually("the other process refuses", SOON, async || {
            self.there.standing(token).await.err()
        })
        .await
    }

    async fn revoke(&self, path: &str, token: &str) {
        let done = self.here.call(path, token).await;
        assert!(done.status.is_success(), "{}", done.json());
    }
}

fn revoked() -> (u16, String) {
    (401, "CREDENTIALS_REVOKED".to_owned())
}

#[tokio::test]
async fn a_session_that_ends_at_one_process_closes_its_socket_at_another() {
    let pair = Pair::start().await;
    let (ended, other) = (pair.here.login(OWNER).await, pair.here.login(OWNER).await);
    let mut socket = pair.socket(&ended.access).await;
    let mut others = pair.socket(&other.access).await;

    let path = format!("/v1/auth/sessions/{}", ended.session);
    let done = pair.here.delete(&path, &other.access).await;

    assert_eq!(done.status, 204);
    assert_eq!(closed(&mut socket).await.0, 4403);
    assert_eq!(pair.refused(&ended.access).await, revoked());
    said_back(&mut others, "still here").await;
}

#[tokio::test]
async fn a_member_who_is_revoked_at_one_process_is_cut_off_at_another() {
    let pair = Pair::start().await;
    let owner = pair.here.login(OWNER).await.access;
    let member = pair.member(&owner).await;
    let token = pair.here.login(MEMBER).await.access;
    let (mut socket, mut owners) = (pair.socket(&token).await, pair.socket(&owner).await);

    pair.revoke(&format!("/v1/users/{member}/revoke"), &owner)
        .await;

    assert_eq!(closed(&mut socket).await.0, 4403);
    assert_eq!(pair.refused(&token).await, revoked());
    said_back(&mut owners, "still here").await;
}

#[tokio::test]
async fn a_tenant_that_is_suspended_at_one_process_is_cut_off_at_another_until_it_is_resumed() {
    let pair = Pair::start().await;
    let token = pair.here.login(OWNER).await.access;
    let mut socket = pair.socket(&token).await;
    let at = |verb: &str| format!("/v1/tenants/{}/{verb}", pair.tenant);

    pair.revoke(&at("suspend"), &pair.operator).await;

    assert_eq!(closed(&mut socket).await.0, 4403);
    let suspended = (403, "TENANT_SUSPENDED".to_owned());
    assert_eq!(pair.refused(&token).await, suspended);
    assert!(pair.there.standing(&pair.operator).await.is_ok());
    pair.revoke(&at("resume"), &pair.operator).await;
    eventually(
        "the tenant is back at the other process",
        SOON,
        async || pair.there.standing(&token).await.ok(),
    )
    .await;
}

#[tokio::test]
async fn a_tenant_that_is_revoked_at_one_process_is_cut_off_at_another() {
    let pair = Pair::start().await;
    let token = pair.here.login(OWNER).await.access;
    let mut socket = pair.socket(&token).await;

    let path = format!("/v1/tenants/{}/revoke", pair.tenant);
    pair.revoke(&path, &pair.operator).await;

    assert_eq!(closed(&mut socket).await.0, 4403);
    assert_eq!(pair.refused(&token).await, revoked());
    assert!(pair.there.standing(&pair.operator).await.is_ok());
}

/// Keys have no `notifications:read`, so there is no socket of theirs. What another process
/// remembers of a key it has taken before is no excuse.
#[tokio::test]
async fn an_api_key_that_is_revoked_at_one_process_is_refused_at_another() {
    let pair = Pair::start().await;
    let owner = pair.here.login(OWNER).await.access;
    let body = serde_json::json!({"name": "till", "scope": "orders:read"});
    let made = pair.here.post("/v1/api-keys", &owner, body).await.json();
    let key = made["secret"].as_str().unwrap();
    assert!(pair.there.standing(key).await.is_ok());

    let id = made["api_key"]["key_id"].as_str().unwrap();
    let path = format!("/v1/api-keys/{id}");
    let done = pair.here.delete(&path, &owner).await;

    assert_eq!(done.status, 204);
    assert_eq!(pair.refused(key).await, revoked());
}
