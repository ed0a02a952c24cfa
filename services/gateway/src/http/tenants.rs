//! Tenants, for those who run the platform.

mod body;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use tradepost_service::page::PageRequest;
use tradepost_types::TenantId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::caller::By;
use super::idempotency::{IdempotencyKey, REPLAYED};
use super::path::Named;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::{Gateway, Shared};
use super::strict_json::StrictJson;
use super::whence::Whence;
use crate::domain::tenant::TenantState;
use crate::ports::identity::Author;
use crate::upstream::Refusal;
use body::{NewTenant, Tenant, TenantFilter, TenantPage, TenantPatch};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, change))
        .routes(routes!(suspend))
        .routes(routes!(resume))
        .routes(routes!(revoke))
}

/// Make a tenant
///
/// With its first owner. An owner who is a user already keeps their password, so `owner_password`
/// is left out then (409 `EMAIL_TAKEN` else); one who is not needs it.
#[utoipa::path(
    post,
    path = "/v1/tenants",
    operation_id = "create_tenant",
    tag = "tenants",
    params(IdempotencyKey),
    request_body = NewTenant,
    responses(
        (status = 201, description = "The tenant", body = Tenant),
        (status = 200, description = "The tenant, made by an earlier request with the key",
            body = Tenant),
    )
)]
async fn create(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    key: IdempotencyKey,
    StrictJson(new): StrictJson<NewTenant>,
) -> Result<(StatusCode, HeaderMap, Json<Tenant>), Problem> {
    let (founding, author) = (new.into_founding()?, whence.by(&caller));
    let tenants = &gateway.identity.tenants;
    let made = tenants.found(founding, key.key, &author).await?;
    let mut headers = HeaderMap::new();
    let status = match made.is_replayed {
        true => {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
            StatusCode::OK
        }
        false => StatusCode::CREATED,
    };
    if let Ok(location) = HeaderValue::try_from(format!("/v1/tenants/{}", made.made.id)) {
        headers.insert(LOCATION, location);
    }
    Ok((status, headers, Json(Tenant::from(made.made))))
}

/// List tenants
///
/// In the order they were made.
#[utoipa::path(
    get,
    path = "/v1/tenants",
    operation_id = "list_tenants",
    tag = "tenants",
    params(TenantFilter),
    responses((status = 200, description = "A page of tenants", body = TenantPage))
)]
async fn list(
    State(gateway): State<Shared>,
    StrictQuery(filter): StrictQuery<TenantFilter>,
) -> Result<Json<TenantPage>, Problem> {
    let page = PageRequest::<Uuid>::parse(filter.page_size, &filter.page_token, b"tenants")
        .map_err(|status| Refusal::of_list(&status))?;
    let after = page.after.map(TenantId::from_uuid);
    let tenants = gateway.identity.tenants.list(after, page.limit()).await?;
    let page = page.page(tenants, |last| last.id.as_uuid());
    Ok(Json(TenantPage::from(page)))
}

/// Read a tenant
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant_id}",
    operation_id = "get_tenant",
    tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id",
        example = "tenant_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The tenant", body = Tenant))
)]
async fn get(
    State(gateway): State<Shared>,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(tenant): Named,
) -> Result<Json<Tenant>, Problem> {
    let tenant = gateway.identity.tenants.find(parsed(&tenant)?).await?;
    Ok(Json(Tenant::from(tenant)))
}

/// Change a tenant
///
/// What is left out stays; lists and flags are replaced as a whole.
#[utoipa::path(
    patch,
    path = "/v1/tenants/{tenant_id}",
    operation_id = "change_tenant",
    tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id",
        example = "tenant_01h455vb4pex5vsknk084sn02q")),
    request_body = TenantPatch,
    responses((status = 200, description = "The tenant", body = Tenant))
)]
async fn change(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    Named(tenant): Named,
    StrictJson(patch): StrictJson<TenantPatch>,
) -> Result<Json<Tenant>, Problem> {
    let (tenant, author) = (parsed(&tenant)?, whence.by(&caller));
    let tenants = &gateway.identity.tenants;
    let tenant = tenants
        .change(tenant, &patch.into_change()?, &author)
        .await?;
    Ok(Json(Tenant::from(tenant)))
}

/// Suspend a tenant
///
/// Nobody gets anything from it or to it, within a second. Nothing is lost.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant_id}/suspend",
    operation_id = "suspend_tenant",
    tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id",
        example = "tenant_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The tenant", body = Tenant))
)]
async fn suspend(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(tenant): Named,
) -> Result<Json<Tenant>, Problem> {
    set_state(
        &gateway,
        &tenant,
        TenantState::Suspended,
        whence.by(&caller),
    )
    .await
}

/// Resume a tenant
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant_id}/resume",
    operation_id = "resume_tenant",
    tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id",
        example = "tenant_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The tenant", body = Tenant))
)]
async fn resume(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(tenant): Named,
) -> Result<Json<Tenant>, Problem> {
    set_state(&gateway, &tenant, TenantState::Active, whence.by(&caller)).await
}

/// End all sessions in a tenant
///
/// At once. Its users may log in again; API keys go on.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant_id}/revoke",
    operation_id = "revoke_tenant",
    tag = "tenants",
    params(("tenant_id" = String, Path, description = "The tenant's id",
        example = "tenant_01h455vb4pex5vsknk084sn02q")),
    responses((status = 204, description = "The sessions have ended"))
)]
async fn revoke(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(tenant): Named,
) -> Result<StatusCode, Problem> {
    let (tenant, author) = (parsed(&tenant)?, whence.by(&caller));
    gateway.identity.tenants.revoke(tenant, &author).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set_state(
    gateway: &Gateway,
    tenant: &str,
    state: TenantState,
    author: Author,
) -> Result<Json<Tenant>, Problem> {
    let tenants = &gateway.identity.tenants;
    let tenant = tenants.set_state(parsed(tenant)?, state, &author).await?;
    Ok(Json(Tenant::from(tenant)))
}

fn parsed(text: &str) -> Result<TenantId, Problem> {
    let id = text.parse();
    id.map_err(|_malformed| Problem::path_fault("tenant_id", "must be a tenant's id"))
}
