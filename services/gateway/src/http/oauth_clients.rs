//! OAuth clients of the caller's tenant.

mod body;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tradepost_types::ClientId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::caller::By;
use super::idempotency::IdempotencyKey;
use super::paging::page;
use super::path::Named;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::whence::Whence;
use body::{MadeOAuthClient, NewOAuthClient, OAuthClient, OAuthClientFilter, OAuthClientPage};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, remove))
}

/// Make an OAuth client
///
/// A service account (confidential, client credentials) or an application that acts for users. The
/// secret is in this answer and never again: repeating the request answers 200 without it.
#[utoipa::path(
    post,
    path = "/v1/oauth/clients",
    operation_id = "create_oauth_client",
    tag = "credentials",
    params(IdempotencyKey),
    request_body = NewOAuthClient,
    responses(
        (status = 201, description = "The client, with its secret", body = MadeOAuthClient),
        (status = 200, description = "An earlier request made it; without its secret",
            body = MadeOAuthClient),
    )
)]
async fn create(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    key: IdempotencyKey,
    StrictJson(new): StrictJson<NewOAuthClient>,
) -> Result<(StatusCode, Json<MadeOAuthClient>), Problem> {
    let author = whence.by(&caller);
    let now = gateway.guards.clock.now();
    let clients = &gateway.credentials.clients;
    let shown = clients
        .create(&caller, &author, new.into_wish(key.key)?, now)
        .await?;
    Ok(MadeOAuthClient::answer(shown))
}

/// List OAuth clients
#[utoipa::path(
    get,
    path = "/v1/oauth/clients",
    operation_id = "list_oauth_clients",
    tag = "credentials",
    params(OAuthClientFilter),
    responses((status = 200, description = "A page of clients", body = OAuthClientPage))
)]
async fn list(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(filter): StrictQuery<OAuthClientFilter>,
) -> Result<Json<OAuthClientPage>, Problem> {
    let page = page::<Uuid>(filter.page_size, &filter.page_token, "oauth-clients")?;
    let after = page.after.map(ClientId::from_uuid);
    let clients = &gateway.credentials.clients;
    let found = clients.list(&caller, after, page.limit()).await?;
    let page = page.page(found, |client| client.id.as_uuid());
    Ok(Json(OAuthClientPage::from(page)))
}

/// Read an OAuth client
#[utoipa::path(
    get,
    path = "/v1/oauth/clients/{client_id}",
    operation_id = "get_oauth_client",
    tag = "credentials",
    params(("client_id" = String, Path, description = "The client's id",
        example = "client_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The client", body = OAuthClient))
)]
async fn get(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(client_id): Named,
) -> Result<Json<OAuthClient>, Problem> {
    let found = gateway.credentials.clients.find(&caller, id(&client_id)?);
    Ok(Json(found.await?.into()))
}

/// Remove an OAuth client
///
/// Its tokens, and the sessions it has with users, end everywhere within a second.
#[utoipa::path(
    delete,
    path = "/v1/oauth/clients/{client_id}",
    operation_id = "remove_oauth_client",
    tag = "credentials",
    params(("client_id" = String, Path, description = "The client's id",
        example = "client_01h455vb4pex5vsknk084sn02q")),
    responses((status = 204, description = "It is removed"))
)]
async fn remove(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(client_id): Named,
) -> Result<StatusCode, Problem> {
    let author = whence.by(&caller);
    let clients = &gateway.credentials.clients;
    clients.remove(&caller, &author, id(&client_id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id(text: &str) -> Result<ClientId, Problem> {
    text.parse()
        .map_err(|_malformed| Problem::path_fault("client_id", "must be the id of a client"))
}
