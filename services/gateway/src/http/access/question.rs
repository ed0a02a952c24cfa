//! The question and its answer.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tradepost_types::{ApiKeyId, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::domain::access::{self, Denial, Layer};
use crate::domain::caller::{Caller, Proof, Subject};
use crate::domain::rights::{Reach, Role};
use crate::domain::routes::{self, Route, Verb, Who};
use crate::http::caller::denied;
use crate::http::gate::moment;
use crate::http::problem::Problem;
use crate::http::router::Gateway;
use crate::http::values::text;
use crate::ports::{Guards, Unavailable};

/// Which call, and whose.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Question {
    /// The method.
    #[param(nullable = false, example = "POST")]
    method: Option<String>,
    /// The path, without its query.
    #[param(nullable = false, example = "/v1/orders")]
    path: Option<String>,
    /// Instead of all others: the trace id of an answer that denied a call. This process remembers
    /// it for an hour, the audit trail for good.
    #[param(nullable = false)]
    trace_id: Option<String>,
    /// Whose call: any member's of this role.
    #[param(nullable = false, example = "customer")]
    role: Option<String>,
    /// Whose call: this member's, with nothing narrowed.
    #[param(nullable = false)]
    user_id: Option<String>,
    /// Whose call: this API key's.
    #[param(nullable = false)]
    key_id: Option<String>,
}

/// What stands in the way of a call.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(in crate::http) enum DeniedBy {
    /// There is no such route: nobody may call it.
    Route,
    /// The tenant is suspended.
    TenantState,
    /// The role in the tenant.
    Role,
    /// The scope of the token.
    TokenScope,
    /// The scope of the key.
    KeyScope,
    /// The route is for people in a login of their own.
    Person,
    /// The route shows things of the whole tenant; the caller reaches only their own.
    ObjectReach,
    /// The second factor was shown too long ago.
    StepUp,
    /// The route is open, but not for a part of what was asked: an agreed price, another customer.
    Request,
}

/// What a caller reaches.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Reaches {
    /// Everything of the tenant.
    Tenant,
    /// Only what is their own: the rest answers 404.
    Own,
}

/// What is decided, and by what.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explanation {
    /// Whether the call would reach its service.
    allowed: bool,
    /// What stands in the way; left out when nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    denied_by: Option<DeniedBy>,
    /// The same in words.
    detail: String,
    /// The permission that the route needs, or those of which each is enough, with ` or ` between;
    /// left out when it needs none, or is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "orders:place")]
    needs: Option<String>,
    /// The rule that decided: the name of the route; left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "place_order")]
    rule: Option<String>,
    /// The path of the rule, with its parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/v1/orders/{order_id}")]
    template: Option<String>,
    /// The role that was asked about.
    #[schema(example = "customer")]
    role: String,
    /// What the caller reaches where the call is allowed.
    reach: Reaches,
}

impl Question {
    /// Decides as the gate would, or tells what it has decided.
    ///
    /// # Errors
    /// A question that cannot be read, or about someone who is not of the tenant.
    pub(super) async fn answer(
        &self,
        gateway: &Gateway,
        asking: &Caller,
    ) -> Result<Explanation, Problem> {
        match (&self.trace_id, &self.method, &self.path) {
            (Some(trace_id), None, None) => {
                let denied = gateway.denials.find(trace_id, asking.tenant);
                let denied = denied.ok_or_else(forgotten)?;
                let by = Some(denied.by);
                Ok(explained(
                    &denied.caller,
                    Some(denied.route),
                    by,
                    &denied.detail,
                ))
            }
            (None, Some(method), Some(path)) => {
                self.decide(&gateway.guards, asking, method, path).await
            }
            (Some(_), _, _) => Err(malformed("trace_id", "must stand alone")),
            (None, None, _) => Err(malformed("method", "is required")),
            (None, _, None) => Err(malformed("path", "is required")),
        }
    }

    async fn decide(
        &self,
        guards: &Guards,
        asking: &Caller,
        method: &str,
        path: &str,
    ) -> Result<Explanation, Problem> {
        let subject = self.subject(guards, asking).await?;
        let verb = method.parse::<Verb>().ok();
        let route = verb.and_then(|verb| routes::matching(verb, path));
        let Some(route) = route else {
            let detail = "there is no such route, and what is not in the table is denied";
            return Ok(explained(&subject, None, Some(DeniedBy::Route), detail));
        };
        if route.rule.who == Who::Public {
            return Ok(explained(&subject, Some(route), None, "everybody may"));
        }
        if !is_active(guards, &subject).await? {
            let by = Some(DeniedBy::TenantState);
            return Ok(explained(
                &subject,
                Some(route),
                by,
                "the tenant is suspended",
            ));
        }
        let moment = moment(guards, &subject, &route.rule).await;
        let moment = moment.map_err(unavailable)?;
        Ok(match access::decide(&subject, &route.rule, moment) {
            Ok(()) => explained(&subject, Some(route), None, "the rule allows it"),
            Err(denial) => {
                let detail = denied(&denial).into_detail();
                explained(&subject, Some(route), Some(by(&denial)), &detail)
            }
        })
    }

    /// Whose call is asked about: the one who asks, unless they name another.
    async fn subject(&self, guards: &Guards, asking: &Caller) -> Result<Caller, Problem> {
        match (&self.role, &self.user_id, &self.key_id) {
            (None, None, None) => Ok(asking.clone()),
            (Some(role), None, None) => {
                let role: Role = role.parse().map_err(|_unknown| {
                    let names: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
                    malformed("role", &format!("must be one of {}", names.join(", ")))
                })?;
                Ok(member(asking, asking.subject, role))
            }
            (None, Some(user), None) => {
                let user: UserId = parse("user_id", user)?;
                let tenant = asking.tenant.ok_or_else(unknown)?;
                let role = guards.directory.member(tenant, user).await;
                let role = role.map_err(unavailable)?.ok_or_else(unknown)?;
                Ok(member(asking, Subject::User(user), role))
            }
            (None, None, Some(key)) => {
                let id: ApiKeyId = parse("key_id", key)?;
                let tenant = asking.tenant.ok_or_else(unknown)?;
                let key = guards.directory.key(tenant, id).await;
                let key = key.map_err(unavailable)?.ok_or_else(unknown)?;
                Ok(Caller {
                    rights: key.role.rights().and(key.scope),
                    session: None,
                    ..member(asking, Subject::Key(id), key.role)
                })
            }
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                Err(malformed(
                    "role",
                    "must not stand beside user_id or key_id, nor those together",
                ))
            }
        }
    }
}

/// A member as they come from a login: nothing narrowed, no second factor.
fn member(asking: &Caller, subject: Subject, role: Role) -> Caller {
    Caller {
        subject,
        role,
        rights: role.rights(),
        client: None,
        proof: Proof::Secret,
        ..asking.clone()
    }
}

async fn is_active(guards: &Guards, subject: &Caller) -> Result<bool, Problem> {
    let Some(tenant) = subject.tenant else {
        return Ok(true);
    };
    guards
        .directory
        .is_active(tenant)
        .await
        .map_err(unavailable)
}

fn explained(
    subject: &Caller,
    route: Option<&Route>,
    denied_by: Option<DeniedBy>,
    detail: &str,
) -> Explanation {
    let permissions = route.map_or(&[][..], |route| route.rule.who.permissions());
    let needs: Vec<_> = permissions.iter().map(ToString::to_string).collect();
    Explanation {
        allowed: denied_by.is_none(),
        denied_by,
        detail: detail.to_owned(),
        needs: text(needs.join(" or ")),
        rule: route.map(|route| route.name.to_owned()),
        template: route.map(|route| route.template.to_owned()),
        role: subject.role.to_string(),
        reach: match subject.reach() {
            Reach::Tenant => Reaches::Tenant,
            Reach::Own => Reaches::Own,
        },
    }
}

/// What stands in the way, by its name.
pub(in crate::http) const fn by(denial: &Denial) -> DeniedBy {
    match denial {
        Denial::NotAPerson => DeniedBy::Person,
        Denial::Missing { layer, .. } => match layer {
            Layer::Role => DeniedBy::Role,
            Layer::TokenScope => DeniedBy::TokenScope,
            Layer::KeyScope => DeniedBy::KeyScope,
        },
        Denial::OnlyOwn => DeniedBy::ObjectReach,
        Denial::StepUp => DeniedBy::StepUp,
    }
}

fn parse<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|_unparsed| malformed(name, "is malformed"))
}

fn malformed(name: &str, wanted: &str) -> Problem {
    let detail = format!("the query parameter {name} {wanted}");
    Problem::new(StatusCode::BAD_REQUEST, "INVALID_QUERY", detail).parameter(name, wanted)
}

/// Also for those of other tenants: who asks does not learn that they exist.
fn unknown() -> Problem {
    let detail = "your tenant has no such member or key";
    Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", detail)
}

fn forgotten() -> Problem {
    let detail = "no denied call of your tenant is remembered here under this trace id; the audit \
                  trail may have it";
    Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", detail)
}

fn unavailable(_: Unavailable) -> Problem {
    let detail = "this cannot be known at the moment; try again later";
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "IDENTITY_UNAVAILABLE",
        detail,
    )
    .retry_after(std::time::Duration::from_secs(1))
}
