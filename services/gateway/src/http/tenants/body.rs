//! Tenants as JSON.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tradepost_service::page::Page;
use utoipa::{IntoParams, ToSchema};

use crate::application::Founding;
use crate::domain::caller::Plan;
use crate::domain::tenant::{self, Features, ORIGINS_MAX, Origin, TenantFault, TenantState};
use crate::http::problem::Problem;
use crate::http::values::{Time, text};
use crate::ports::identity::TenantChange;

/// A tenant to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200, example = "Acme")]
    name: String,
    /// What it has paid for: `standard`, `plus` or `internal`. Left out: `standard`.
    #[schema(nullable = false, example = "standard")]
    plan: Option<String>,
    /// The address of its first owner.
    #[schema(example = "ada@example.com")]
    owner_email: String,
    /// The first password of an owner who is no user yet.
    #[schema(value_type = Option<String>, nullable = false, format = Password, min_length = 8,
        max_length = 128)]
    owner_password: Option<SecretString>,
}

impl NewTenant {
    pub(super) fn into_founding(self) -> Result<Founding, Problem> {
        let email = self.owner_email.parse();
        let plan = self.plan.as_deref().map(plan).transpose()?;
        Ok(Founding {
            name: field("/name", self.name.parse())?,
            plan: plan.unwrap_or_default(),
            owner_email: email.map_err(|fault: crate::domain::email::NoEmail| {
                Problem::field("/owner_email", &fault.to_string())
            })?,
            owner_password: self.owner_password,
        })
    }
}

/// A change of a tenant; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantPatch {
    /// What it is called.
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// What it has paid for: `standard`, `plus` or `internal`.
    #[schema(nullable = false, example = "plus")]
    plan: Option<String>,
    /// All feature flags.
    #[schema(nullable = false)]
    features: Option<BTreeMap<String, bool>>,
    /// All origins whose pages may call for it, as browsers send them.
    #[schema(nullable = false, max_items = 50, example = json!(["https://shop.example.com"]))]
    cors_origins: Option<Vec<String>>,
}

impl TenantPatch {
    pub(super) fn into_change(self) -> Result<TenantChange, Problem> {
        let name = self.name.map(|name| field("/name", name.parse()));
        let features = self
            .features
            .map(|flags| field("/features", Features::new(flags)));
        Ok(TenantChange {
            name: name.transpose()?,
            plan: self.plan.as_deref().map(plan).transpose()?,
            features: features.transpose()?,
            cors_origins: self.cors_origins.as_deref().map(origins).transpose()?,
        })
    }
}

fn origins(texts: &[String]) -> Result<Vec<Origin>, Problem> {
    if texts.len() > ORIGINS_MAX {
        return field("/cors_origins", Err(TenantFault::Origins));
    }
    let origins = texts.iter().enumerate().map(|(position, text)| {
        let place = format!("/cors_origins/{position}");
        field(&place, text.parse())
    });
    origins.collect()
}

fn plan(text: &str) -> Result<Plan, Problem> {
    let plan = text.parse();
    plan.map_err(|_unknown| Problem::field("/plan", "must be one of standard, plus, internal"))
}

fn field<T>(pointer: &str, read: Result<T, TenantFault>) -> Result<T, Problem> {
    read.map_err(|fault| Problem::field(pointer, &fault.to_string()))
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tenant {
    /// Its id.
    #[schema(example = "tenant_01h455vb4pex5vsknk084sn02q")]
    tenant_id: String,
    /// What it is called.
    name: String,
    /// What it has paid for.
    #[schema(example = "standard")]
    plan: &'static str,
    /// `ACTIVE` or `SUSPENDED`.
    #[schema(example = "ACTIVE")]
    state: &'static str,
    /// Feature flags; one that is not named is off.
    features: BTreeMap<String, bool>,
    /// The origins whose pages may call for it.
    cors_origins: Vec<String>,
    /// When it was made.
    create_time: Time,
    /// When it last changed.
    update_time: Time,
}

impl From<tenant::Tenant> for Tenant {
    fn from(tenant: tenant::Tenant) -> Self {
        let origins = tenant.cors_origins.iter().map(Origin::as_str);
        Self {
            tenant_id: tenant.id.to_string(),
            name: tenant.name.as_str().to_owned(),
            plan: tenant.plan.as_str(),
            state: match tenant.state {
                TenantState::Active => "ACTIVE",
                TenantState::Suspended => "SUSPENDED",
            },
            features: tenant.features.flags().clone(),
            cors_origins: origins.map(str::to_owned).collect(),
            create_time: tenant.created_at.into(),
            update_time: tenant.updated_at.into(),
        }
    }
}

/// Which page of tenants to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TenantFilter {
    /// Tenants a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    pub(super) page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    pub(super) page_token: String,
}

/// A page of tenants.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantPage {
    /// In the order they were made.
    tenants: Vec<Tenant>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl From<Page<tenant::Tenant>> for TenantPage {
    fn from(page: Page<tenant::Tenant>) -> Self {
        Self {
            tenants: page.items.into_iter().map(Tenant::from).collect(),
            next_page_token: text(page.next_page_token),
        }
    }
}
