//! Users as JSON.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tradepost_service::page::Page;
use utoipa::{IntoParams, ToSchema};

use crate::application::{Invitation, Invited};
use crate::domain::membership::Member;
use crate::domain::rights;
use crate::http::problem::Problem;
use crate::http::values::{Time, text};

/// A user to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUser {
    /// The address they log in by.
    #[schema(example = "ada@example.com")]
    email: String,
    /// What they are to be: `owner`, `admin`, `manager`, `support`, `customer` or `service`.
    #[schema(example = "support")]
    role: String,
    /// Their first password. Left out: one is made, and the first answer has it.
    #[schema(value_type = Option<String>, nullable = false, format = Password, min_length = 8,
        max_length = 128)]
    password: Option<SecretString>,
}

impl NewUser {
    pub(super) fn into_invitation(self) -> Result<Invitation, Problem> {
        let email = self.email.parse();
        Ok(Invitation {
            email: email.map_err(|fault: crate::domain::email::NoEmail| {
                Problem::field("/email", &fault.to_string())
            })?,
            role: role(&self.role)?,
            password: self.password,
        })
    }
}

/// What a user is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UserRole)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    /// `owner`, `admin`, `manager`, `support`, `customer` or `service`.
    #[schema(example = "manager")]
    role: String,
}

impl Role {
    pub(super) fn parse(&self) -> Result<rights::Role, Problem> {
        role(&self.role)
    }
}

fn role(text: &str) -> Result<rights::Role, Problem> {
    let wanted = "must be one of owner, admin, manager, support, customer, service";
    match text.parse() {
        Ok(rights::Role::Operator) | Err(_) => Err(Problem::field("/role", wanted)),
        Ok(role) => Ok(role),
    }
}

/// A member of a tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    /// The id.
    #[schema(example = "user_01h455vb4pex5vsknk084sn02q")]
    user_id: String,
    /// The address they log in by.
    email: String,
    /// What they are.
    #[schema(example = "support")]
    role: String,
    /// The password that was made for them; stands in the first answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Password)]
    initial_password: Option<String>,
    /// Since when they are a member.
    create_time: Time,
}

impl From<Member> for User {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user.to_string(),
            email: member.email.to_string(),
            role: member.role.to_string(),
            initial_password: None,
            create_time: member.created_at.into(),
        }
    }
}

impl From<Invited> for User {
    fn from(invited: Invited) -> Self {
        let password = invited.password.as_ref();
        Self {
            initial_password: password.map(|password| password.expose_secret().to_owned()),
            ..Self::from(invited.member.made)
        }
    }
}

/// Which page of users to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UserFilter {
    /// Users a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    pub(super) page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    pub(super) page_token: String,
}

/// A page of users.
#[derive(Serialize, ToSchema)]
pub(super) struct UserPage {
    /// In the order they were made.
    users: Vec<User>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl From<Page<Member>> for UserPage {
    fn from(page: Page<Member>) -> Self {
        Self {
            users: page.items.into_iter().map(User::from).collect(),
            next_page_token: text(page.next_page_token),
        }
    }
}
