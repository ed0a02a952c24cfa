//! `gateway revoke …`: what operators do at the command line counts in processes that serve.

use serde_json::{Value, json};
use tradepost_testkit::{TestDatabase, Trust, eventually};

use super::process::{builder, served};
use super::shop::{Gate, OPERATOR, PASSWORD, make_operator};
use crate::stage::{SOON, migrated};

const OWNER: &str = "ada@example.com";

/// Whether the command succeeds, and what it says.
async fn revoke(database: &TestDatabase, trust: &Trust, what: &[&str]) -> (bool, String) {
    let command = builder(database, trust).arg("revoke");
    let command = what.iter().fold(command, |command, one| command.arg(*one));
    let mut command = command.spawn();
    let status = command.wait(SOON).await;
    (status.success(), command.log())
}

/// Who did what to what, as the audit trail has it.
async fn recorded(database: &TestDatabase, object: &str) -> Vec<(String, String)> {
    sqlx::query_as(
        "select actor, action from audit_entries
         where object = $1 and action like '%.revoke' order by recorded_at",
    )
    .bind(object)
    .fetch_all(&mut database.admin().await)
    .await
    .unwrap()
}

async fn refused(gate: &Gate, credentials: &str) -> (u16, String) {
    eventually("it is refused", SOON, async || {
        gate.standing(credentials).await.err()
    })
    .await
}

async fn opened(gate: &Gate) -> (String, String) {
    let operator = gate.login(OPERATOR).await.access;
    let body = json!({"name": "Acme", "owner_email": OWNER, "owner_password": PASSWORD});
    let made = gate.post("/v1/tenants", &operator, body).await.json();
    (made["tenant_id"].as_str().unwrap().to_owned(), operator)
}

#[tokio::test]
async fn a_session_a_key_a_user_and_a_tenant_are_revoked_by_command_and_audited() {
    let (database, trust) = (migrated().await, Trust::new());
    make_operator(&database.config()).await;
    let (_process, gate) = served(builder(&database, &trust)).await;
    let (tenant, operator) = opened(&gate).await;
    let (session, other) = (gate.login(OWNER).await, gate.login(OWNER).await);
    let body = json!({"name": "till", "scope": "orders:read"});
    let key: Value = gate.post("/v1/api-keys", &other.access, body).await.json();
    let secret = key["secret"].as_str().unwrap();
    let key = key["api_key"]["key_id"].as_str().unwrap();
    assert!(gate.standing(secret).await.is_ok());
    let later = async || gate.login(OWNER).await.access;

    // Each before what it would fall with.
    for (kind, id, credentials, action) in [
        (
            "session",
            session.session.as_str(),
            session.access.clone(),
            "session.revoke",
        ),
        ("key", key, secret.to_owned(), "api_key.revoke"),
        (
            "user",
            session.user.as_str(),
            other.access.clone(),
            "session.revoke",
        ),
        ("tenant", tenant.as_str(), later().await, "tenant.revoke"),
    ] {
        if kind == "session" || kind == "key" {
            assert!(gate.standing(&other.access).await.is_ok());
        }

        let (is_done, said) = revoke(&database, &trust, &[kind, id]).await;

        assert!(is_done && said.contains("revoked"), "{kind}: {said}");
        let refusal = refused(&gate, &credentials).await;
        assert_eq!(refusal, (401, "CREDENTIALS_REVOKED".to_owned()), "{kind}");
        let entries = recorded(&database, id).await;
        let expected = ("system:identity".to_owned(), action.to_owned());
        assert_eq!(entries, [expected], "{kind}");
    }
    assert!(gate.standing(&operator).await.is_ok());
    assert_eq!(gate.refresh(&session.refresh).await.status, 401);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_revoked() {
    let (database, trust) = (migrated().await, Trust::new());
    for (kind, id) in [
        ("session", tradepost_types::SessionId::new().to_string()),
        ("key", tradepost_types::ApiKeyId::new().to_string()),
        ("user", tradepost_types::UserId::new().to_string()),
        ("tenant", tradepost_types::TenantId::new().to_string()),
        ("key", "till".to_owned()),
    ] {
        let (is_done, said) = revoke(&database, &trust, &[kind, &id]).await;
        assert!(!is_done, "{kind} {id}: {said}");
        assert_eq!(recorded(&database, &id).await, []);
    }
}
