//! Clients, codes, tokens, and what they are good for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tradepost_gateway::application::{
    AuthorizationWish, ClientShown, CodeShown, Introspection, OAuthFault, OAuthIssued, TokenWish,
};
use tradepost_gateway::domain::caller::{Caller, Subject};
use tradepost_gateway::domain::oauth::{Client, ClientKind, OAuthError};
use tradepost_gateway::domain::rights::Role;
use tradepost_types::{TenantId, UserId};

use super::vault::{PLACE, Vault, author, now, stranger};
use crate::stage::SOON;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()))
}

fn wish(client: &Client) -> AuthorizationWish {
    AuthorizationWish {
        client_id: client.id.to_string(),
        redirect_uri: PLACE.to_owned(),
        response_type: Some("code".to_owned()),
        scope: Some("orders:read".to_owned()),
        code_challenge: Some(challenge()),
        code_challenge_method: Some("S256".to_owned()),
    }
}

async fn code(vault: &Vault, client: &Client) -> SecretString {
    let oauth = &vault.credentials.oauth;
    let wish = wish(client);
    let approved = oauth.approve(oauth.client_of(&wish).await.unwrap(), &wish);
    let agreed = oauth
        .agree(&vault.owner(), &approved.unwrap(), PLACE, &vault.author())
        .await;
    agreed.unwrap()
}

async fn redeem(
    vault: &Vault,
    client: &Client,
    code: &SecretString,
    verifier: &str,
    place: &str,
) -> Result<OAuthIssued, OAuthError> {
    let wish = TokenWish::Code(CodeShown {
        code: code.clone(),
        redirect_uri: place.to_owned(),
        verifier: verifier.into(),
    });
    grant(vault, client, wish).await
}

async fn grant(vault: &Vault, client: &Client, wish: TokenWish) -> Result<OAuthIssued, OAuthError> {
    let granted = vault
        .credentials
        .oauth
        .grant(client, wish, &stranger())
        .await;
    granted.map_err(|fault: OAuthFault| fault.error)
}

async fn introspected(vault: &Vault, by: &Client, token: &SecretString) -> Introspection {
    let oauth = &vault.credentials.oauth;
    oauth.introspect(by, token, now()).await.unwrap()
}

#[tokio::test]
async fn a_client_acts_for_itself_within_its_scope_and_without_a_refresh_token() {
    let vault = Vault::open().await;
    let (client, shown) = vault
        .client(ClientKind::Confidential, "orders:read items:read")
        .await;
    let oauth = &vault.credentials.oauth;
    assert_eq!(oauth.authenticate(&shown).await.unwrap().id, client.id);
    let own = |scope: Option<&str>| TokenWish::Own {
        scope: scope.map(str::to_owned),
    };

    let issued = grant(&vault, &client, own(Some("orders:read")))
        .await
        .unwrap();

    assert!(issued.refresh_token.is_none());
    assert_eq!(issued.scope.to_string(), "orders:read");
    let token = issued.access_token.expose_secret();
    let verified = vault
        .identity
        .authenticator
        .bearer(token, now())
        .await
        .unwrap();
    let caller = verified.caller;
    assert_eq!(caller.subject, Subject::Client(client.id));
    assert_eq!(
        (caller.role, caller.tenant),
        (Role::Service, Some(vault.tenant))
    );
    assert_eq!(caller.rights.to_string(), "orders:read");
    for scope in ["orders:place", "keys:manage", "openid", ""] {
        let refused = grant(&vault, &client, own(Some(scope))).await;
        assert_eq!(refused.unwrap_err(), OAuthError::InvalidScope, "{scope}");
    }
    let (public, _) = vault.client(ClientKind::Public, "orders:read").await;
    let refused = grant(&vault, &public, own(None)).await;
    assert_eq!(refused.unwrap_err(), OAuthError::UnauthorizedClient);
}

#[tokio::test]
async fn a_client_that_does_not_show_who_it_is_gets_nothing() {
    let vault = Vault::open().await;
    let (_, shown) = vault.client(ClientKind::Confidential, "orders:read").await;
    let (_, public) = vault.client(ClientKind::Public, "orders:read").await;
    let (_, other) = vault.client(ClientKind::Confidential, "orders:read").await;
    let refused = async |id: &str, secret: Option<SecretString>| {
        let shown = ClientShown {
            id: id.to_owned(),
            secret,
        };
        let client = vault.credentials.oauth.authenticate(&shown).await;
        client.unwrap_err().error
    };

    let id = shown.id.as_str();
    assert_eq!(refused(id, None).await, OAuthError::InvalidClient);
    assert_eq!(
        refused(id, Some("x".into())).await,
        OAuthError::InvalidClient
    );
    assert_eq!(refused(id, other.secret).await, OAuthError::InvalidClient);
    assert_eq!(
        refused("client_1", shown.secret.clone()).await,
        OAuthError::InvalidClient
    );
    assert_eq!(
        refused(&public.id, shown.secret.clone()).await,
        OAuthError::InvalidClient
    );
    assert!(vault.credentials.oauth.authenticate(&public).await.is_ok());
    vault
        .run("update tenants set state = 'suspended', updated_at = clock_timestamp()")
        .await;
    tradepost_testkit::eventually("the suspension is known", SOON, async || {
        let authenticated = vault.credentials.oauth.authenticate(&shown).await;
        authenticated.is_err().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_code_becomes_a_session_of_the_user_with_the_clients_scope() {
    let vault = Vault::open().await;
    let (client, _) = vault
        .client(ClientKind::Public, "orders:read orders:place")
        .await;
    let code = code(&vault, &client).await;

    let issued = redeem(&vault, &client, &code, VERIFIER, PLACE)
        .await
        .unwrap();

    assert_eq!(issued.scope.to_string(), "orders:read");
    let token = issued.access_token.expose_secret();
    let verified = vault
        .identity
        .authenticator
        .bearer(token, now())
        .await
        .unwrap();
    assert_eq!(verified.caller.subject, Subject::User(vault.user));
    assert_eq!(verified.caller.rights.to_string(), "orders:read");
    assert_eq!(verified.basis.client, Some(client.id));
    assert_eq!(verified.caller.client, Some(client.id));
    assert_eq!(
        verified.caller.person(),
        None,
        "an application is no person"
    );
    let refresh = TokenWish::Refresh {
        token: issued.refresh_token.unwrap(),
    };
    let refreshed = grant(&vault, &client, refresh.clone()).await.unwrap();
    assert_eq!(refreshed.scope.to_string(), "orders:read");
    let (other, _) = vault.client(ClientKind::Public, "orders:read").await;
    let next = TokenWish::Refresh {
        token: refreshed.refresh_token.unwrap(),
    };
    let refused = grant(&vault, &other, next.clone()).await;
    assert_eq!(
        refused.unwrap_err(),
        OAuthError::InvalidGrant,
        "bound to its client"
    );
    assert!(grant(&vault, &client, next).await.is_ok());
}

#[tokio::test]
async fn a_code_used_twice_ends_what_it_gave() {
    let vault = Vault::open().await;
    let (client, _) = vault.client(ClientKind::Public, "orders:read").await;
    let code = code(&vault, &client).await;
    let issued = redeem(&vault, &client, &code, VERIFIER, PLACE)
        .await
        .unwrap();

    let again = redeem(&vault, &client, &code, VERIFIER, PLACE).await;

    assert_eq!(again.unwrap_err(), OAuthError::InvalidGrant);
    let token = issued.access_token.expose_secret();
    assert!(
        vault
            .identity
            .authenticator
            .bearer(token, now())
            .await
            .is_err()
    );
    let refresh = TokenWish::Refresh {
        token: issued.refresh_token.unwrap(),
    };
    assert_eq!(
        grant(&vault, &client, refresh).await.unwrap_err(),
        OAuthError::InvalidGrant
    );
    assert!(
        vault
            .actions()
            .await
            .contains(&"oauth.code_reused".to_owned())
    );
}

#[tokio::test]
async fn of_many_redemptions_at_once_one_wins_and_its_session_ends() {
    let vault = Vault::open().await;
    let (client, _) = vault.client(ClientKind::Public, "orders:read").await;
    let code = code(&vault, &client).await;

    let all = (0..10).map(|_| redeem(&vault, &client, &code, VERIFIER, PLACE));
    let won: Vec<_> = futures::future::join_all(all).await;

    let won: Vec<_> = won.into_iter().filter_map(Result::ok).collect();
    assert_eq!(won.len(), 1);
    let token = won[0].access_token.expose_secret();
    assert!(
        vault
            .identity
            .authenticator
            .bearer(token, now())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_code_is_good_for_its_client_place_verifier_and_minute_only() {
    let vault = Vault::open().await;
    let (client, _) = vault.client(ClientKind::Public, "orders:read").await;
    let (other, _) = vault.client(ClientKind::Public, "orders:read").await;
    let code = code(&vault, &client).await;
    let refused = async |client: &Client, verifier: &str, place: &str| {
        let redeemed = redeem(&vault, client, &code, verifier, place).await;
        redeemed.unwrap_err()
    };

    let invalid = OAuthError::InvalidGrant;
    assert_eq!(refused(&other, VERIFIER, PLACE).await, invalid);
    assert_eq!(
        refused(&client, &VERIFIER.replace('d', "e"), PLACE).await,
        invalid
    );
    assert_eq!(
        refused(&client, &challenge(), PLACE).await,
        invalid,
        "plain"
    );
    assert_eq!(refused(&client, "", PLACE).await, invalid);
    assert_eq!(
        refused(&client, VERIFIER, "https://books.example/other").await,
        invalid
    );
    vault
        .run("update authorization_codes set expires_at = now()")
        .await;
    assert_eq!(refused(&client, VERIFIER, PLACE).await, invalid);
    vault
        .run("update authorization_codes set expires_at = now() + interval '1 minute'")
        .await;
    assert!(
        redeem(&vault, &client, &code, VERIFIER, PLACE)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn nobody_is_sent_where_the_client_has_not_registered() {
    let vault = Vault::open().await;
    let (client, _) = vault.client(ClientKind::Public, "orders:read").await;
    let oauth = &vault.credentials.oauth;
    let elsewhere = AuthorizationWish {
        redirect_uri: "https://evil.example/callback".to_owned(),
        ..wish(&client)
    };
    let unknown = AuthorizationWish {
        client_id: "client_1".to_owned(),
        ..wish(&client)
    };

    assert_eq!(
        oauth.client_of(&elsewhere).await.unwrap_err().error,
        OAuthError::InvalidRequest
    );
    assert_eq!(
        oauth.client_of(&unknown).await.unwrap_err().error,
        OAuthError::InvalidClient
    );
    let asked = |change: fn(&mut AuthorizationWish)| {
        let mut wish = wish(&client);
        change(&mut wish);
        oauth.approve(client.clone(), &wish).unwrap_err().error
    };
    assert_eq!(
        asked(|wish| wish.code_challenge_method = Some("plain".to_owned())),
        OAuthError::InvalidRequest
    );
    assert_eq!(
        asked(|wish| wish.code_challenge = None),
        OAuthError::InvalidRequest
    );
    assert_eq!(
        asked(|wish| wish.response_type = Some("token".to_owned())),
        OAuthError::UnsupportedResponseType
    );
    assert_eq!(
        asked(|wish| wish.scope = Some("payments:refund".to_owned())),
        OAuthError::InvalidScope
    );
}

#[tokio::test]
async fn only_a_person_of_the_clients_tenant_agrees_and_gives_no_more_than_they_have() {
    let vault = Vault::open().await;
    let (client, _) = vault.client(ClientKind::Public, "payments:refund").await;
    let oauth = &vault.credentials.oauth;
    let wish = AuthorizationWish {
        scope: None,
        ..wish(&client)
    };
    let approved = oauth.approve(client.clone(), &wish).unwrap();
    let agreed = async |caller: &Caller| {
        let agreed = oauth.agree(caller, &approved, PLACE, &author(caller)).await;
        agreed.map(|_code| ()).map_err(|fault| fault.error)
    };

    let support = vault.member(Role::Support);
    assert_eq!(agreed(&support).await, Err(OAuthError::InvalidScope));
    let foreign = Caller {
        tenant: Some(TenantId::new()),
        ..vault.owner()
    };
    assert_eq!(agreed(&foreign).await, Err(OAuthError::InvalidClient));
    let program = Caller {
        subject: Subject::Client(client.id),
        ..vault.owner()
    };
    assert_eq!(agreed(&program).await, Err(OAuthError::UnauthorizedClient));
    let application = Caller {
        client: Some(client.id),
        ..vault.owner()
    };
    assert_eq!(
        agreed(&application).await,
        Err(OAuthError::UnauthorizedClient)
    );
    assert_eq!(agreed(&vault.owner()).await, Ok(()));
}

#[tokio::test]
async fn a_token_is_told_about_to_its_own_tenant_until_it_is_revoked() {
    let vault = Vault::open().await;
    let (client, _) = vault.client(ClientKind::Confidential, "orders:read").await;
    let (public, _) = vault.client(ClientKind::Public, "orders:read").await;
    let issued = grant(&vault, &client, TokenWish::Own { scope: None })
        .await
        .unwrap();
    let token = issued.access_token;
    let (tenant, stranger_user) = (TenantId::new(), UserId::new());
    vault.add_tenant(tenant).await;
    vault.add_member(tenant, stranger_user, Role::Owner).await;
    let foreign = Client {
        tenant,
        ..client.clone()
    };

    assert!(matches!(
        introspected(&vault, &client, &token).await,
        Introspection::Active(_)
    ));
    assert_eq!(
        introspected(&vault, &foreign, &token).await,
        Introspection::Inactive
    );
    assert_eq!(
        introspected(&vault, &client, &"x".into()).await,
        Introspection::Inactive
    );
    let oauth = &vault.credentials.oauth;
    let asked = oauth.introspect(&public, &token, now()).await;
    assert_eq!(asked.unwrap_err().error, OAuthError::InvalidClient);
    // Another client's token is left alone, and nobody is told.
    oauth
        .revoke(&public, &token, &stranger(), now())
        .await
        .unwrap();
    oauth
        .revoke(&public, &"x".into(), &stranger(), now())
        .await
        .unwrap();
    assert!(matches!(
        introspected(&vault, &client, &token).await,
        Introspection::Active(_)
    ));
    oauth
        .revoke(&client, &token, &stranger(), now())
        .await
        .unwrap();
    assert_eq!(
        introspected(&vault, &client, &token).await,
        Introspection::Inactive
    );
}

#[tokio::test]
async fn a_revoked_refresh_token_ends_its_session() {
    let vault = Vault::open().await;
    let (client, _) = vault.client(ClientKind::Public, "orders:read").await;
    let code = code(&vault, &client).await;
    let issued = redeem(&vault, &client, &code, VERIFIER, PLACE)
        .await
        .unwrap();
    let refresh = issued.refresh_token.unwrap();

    let oauth = &vault.credentials.oauth;
    oauth
        .revoke(&client, &refresh, &stranger(), now())
        .await
        .unwrap();

    let token = issued.access_token.expose_secret();
    assert!(
        vault
            .identity
            .authenticator
            .bearer(token, now())
            .await
            .is_err()
    );
    let refused = grant(&vault, &client, TokenWish::Refresh { token: refresh }).await;
    assert_eq!(refused.unwrap_err(), OAuthError::InvalidGrant);
}

#[tokio::test]
async fn a_removed_client_ends_with_all_it_has() {
    let vault = Vault::open().await;
    let (client, shown) = vault.client(ClientKind::Confidential, "orders:read").await;
    let own = grant(&vault, &client, TokenWish::Own { scope: None })
        .await
        .unwrap();
    let code = code(&vault, &client).await;
    let issued = redeem(&vault, &client, &code, VERIFIER, PLACE)
        .await
        .unwrap();

    let clients = &vault.credentials.clients;
    clients
        .remove(&vault.owner(), &vault.author(), client.id)
        .await
        .unwrap();

    for token in [&own.access_token, &issued.access_token] {
        let verified = vault
            .identity
            .authenticator
            .bearer(token.expose_secret(), now());
        assert!(verified.await.is_err());
    }
    assert!(vault.credentials.oauth.authenticate(&shown).await.is_err());
    let refresh = TokenWish::Refresh {
        token: issued.refresh_token.unwrap(),
    };
    assert_eq!(
        grant(&vault, &client, refresh).await.unwrap_err(),
        OAuthError::InvalidGrant
    );
    let again = grant(&vault, &client, TokenWish::Own { scope: None }).await;
    assert_eq!(again.unwrap_err(), OAuthError::InvalidClient);
}

#[tokio::test]
async fn no_secret_of_oauth_is_stored_as_it_is() {
    let vault = Vault::open().await;
    let (client, shown) = vault.client(ClientKind::Confidential, "orders:read").await;
    let code = code(&vault, &client).await;
    let issued = redeem(&vault, &client, &code, VERIFIER, PLACE)
        .await
        .unwrap();

    let stored = vault.everything().await;

    for secret in [
        shown.secret.unwrap(),
        code,
        issued.refresh_token.unwrap(),
        issued.access_token,
    ] {
        let secret = secret.expose_secret();
        assert!(!stored.contains(secret));
        assert!(!stored.contains(&hex::encode(secret)));
    }
}

#[tokio::test]
async fn a_code_ends_with_the_login_in_which_it_was_given() {
    let vault = Vault::open().await;
    let (client, _) = vault.client(ClientKind::Public, "orders:read").await;
    let code = code(&vault, &client).await;

    let (sessions, author) = (&vault.identity.sessions, vault.author());
    let ended = sessions.revoke(vault.user, vault.session, "logout", &author);
    assert!(ended.await.unwrap());

    let redeemed = redeem(&vault, &client, &code, VERIFIER, PLACE).await;
    assert_eq!(redeemed.unwrap_err(), OAuthError::InvalidGrant);
}
