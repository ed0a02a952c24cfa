//! Who may use which route: the one table that the gate goes by. It does not decide; `access` does.
//!
//! A route without an entry is refused, and a test fails for it; so does one for an entry without
//! a route.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use super::rights::Permission;

/// What is done to a resource. There is no `HEAD`: it is asked like `GET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// Read.
    Get,
    /// Create, or ask for something to be done.
    Post,
    /// Create or replace.
    Put,
    /// Change a part.
    Patch,
    /// Remove.
    Delete,
}

impl Verb {
    /// The name of the method.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Verb {
    type Err = super::rights::Unknown;

    fn from_str(method: &str) -> Result<Self, Self::Err> {
        match method {
            "GET" | "HEAD" => Ok(Self::Get),
            "POST" => Ok(Self::Post),
            "PUT" => Ok(Self::Put),
            "PATCH" => Ok(Self::Patch),
            "DELETE" => Ok(Self::Delete),
            other => Err(super::rights::Unknown(other.to_owned())),
        }
    }
}

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody: who they are is not asked, and credentials they send are not looked at.
    Public,
    /// Whoever has shown who they are.
    Authenticated,
    /// A person in a login of their own: no key, no program, no application that acts for them.
    User,
    /// Whoever has this permission.
    Needs(Permission),
}

/// How a call gets into the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audit {
    /// It does not: it only reads.
    No,
    /// The gate writes one entry before the call is forwarded and one after; without the first
    /// there is no call.
    Around,
    /// The handler writes the entry in the transaction of the change.
    Within,
    /// The first call of a caller in an hour is written as [`Audit::Around`] has it, the others are
    /// not. For what programs send without end and what changes nothing but figures: two entries a
    /// call would be more than the call, and a tenant's chain takes one after the other.
    Hourly,
}

/// What a route asks of its callers, and what a call of it costs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whom it is for.
    pub who: Who,
    /// How many requests of the caller's limit a call is worth.
    pub cost: u32,
    /// How a call gets into the audit trail; one that is denied always does.
    pub audit: Audit,
    /// Whether it changes who may do what, or gives money away.
    pub privileged: bool,
    /// Whether it is for people in a login of their own only, whatever a program may.
    pub person: bool,
    /// Whether whoever has a second factor must have shown it lately.
    pub step_up: bool,
    /// Whether the connection becomes a WebSocket; on no other route may it become anything.
    pub upgrade: bool,
    /// Whether those who reach only their own things may use it: it then shows them no others.
    pub own: bool,
}

impl Rule {
    const fn of(who: Who) -> Self {
        Self {
            who,
            cost: 1,
            audit: Audit::No,
            privileged: false,
            person: false,
            step_up: false,
            upgrade: false,
            own: false,
        }
    }

    const fn cost(self, cost: u32) -> Self {
        Self { cost, ..self }
    }

    const fn audit(self, audit: Audit) -> Self {
        Self { audit, ..self }
    }

    const fn privileged(self) -> Self {
        Self {
            privileged: true,
            ..self
        }
    }

    const fn upgrade(self) -> Self {
        Self {
            upgrade: true,
            ..self
        }
    }

    const fn own(self) -> Self {
        Self { own: true, ..self }
    }
}

/// An entry of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Its name, as in the description; the action in the audit trail.
    pub name: &'static str,
    /// What is done.
    pub verb: Verb,
    /// To what: the path with its parameters, as the router and the description have it.
    pub template: &'static str,
    /// What that asks.
    pub rule: Rule,
}

const fn route(verb: Verb, name: &'static str, template: &'static str, rule: Rule) -> Route {
    Route {
        name,
        verb,
        template,
        rule,
    }
}

const fn get(name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(Verb::Get, name, template, rule)
}

/// What changes something of the gateway's own, which writes the trail with the change.
const fn within(verb: Verb, name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(verb, name, template, rule.audit(Audit::Within))
}

/// What changes something in a service: forwarded between two entries of the audit trail.
const fn post(name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(Verb::Post, name, template, rule.audit(Audit::Around))
}

/// What is pushed to a service, and only counts there.
const fn push(name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(Verb::Post, name, template, rule.audit(Audit::Hourly))
}

const fn put(name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(Verb::Put, name, template, rule.audit(Audit::Around))
}

const fn public() -> Rule {
    Rule::of(Who::Public)
}

const fn user() -> Rule {
    Rule::of(Who::User)
}

const fn needs(permission: Permission) -> Rule {
    Rule::of(Who::Needs(permission))
}

/// Managing what programs show. No program does, whatever it may: one that leaked could otherwise
/// make itself another.
const fn keys() -> Rule {
    let rule = needs(Permission::KeysManage).privileged();
    Rule {
        person: true,
        step_up: true,
        ..rule
    }
}

/// Changing how the caller logs in, or who acts for them.
const fn own_login() -> Rule {
    user().cost(STRICT).privileged()
}

/// What is worth guessing at costs as much as this many reads.
const STRICT: u32 = 10;
/// A list, a page of it, costs as much as this many reads.
const LIST: u32 = 5;
/// All there is costs as much as this many reads.
const EXPORT: u32 = 50;
/// What starts a saga costs as much as this many reads.
const SAGA: u32 = 5;
/// Events cost as much as this many reads, one or 10,000 of them.
const BATCH: u32 = 5;

/// The table. The catalogue is open to customers; what is only theirs is an order.
pub const ROUTES: &[Route] = {
    use Permission as P;
    &[
        // orders
        post(
            "place_order",
            "/v1/orders",
            needs(P::OrdersPlace).cost(SAGA).own(),
        ),
        get(
            "list_orders",
            "/v1/orders",
            needs(P::OrdersRead).cost(LIST).own(),
        ),
        get(
            "get_order",
            "/v1/orders/{order_id}",
            needs(P::OrdersRead).own(),
        ),
        post(
            "cancel_order",
            "/v1/orders/{order_id}/cancel",
            needs(P::OrdersCancel).own(),
        ),
        get(
            "get_order_timeline",
            "/v1/orders/{order_id}/timeline",
            needs(P::OrdersRead).own(),
        ),
        // the catalogue and its stock
        get(
            "list_items",
            "/v1/items",
            needs(P::ItemsRead).cost(LIST).own(),
        ),
        get("get_item", "/v1/items/{sku}", needs(P::ItemsRead).own()),
        put("put_item", "/v1/items/{sku}", needs(P::ItemsWrite)),
        get(
            "list_stock_movements",
            "/v1/items/{sku}/stock-movements",
            needs(P::ItemsRead).cost(LIST),
        ),
        post(
            "record_stock_movement",
            "/v1/items/{sku}/stock-movements",
            needs(P::InventoryAdjust),
        ),
        // money and parcels
        get(
            "get_payment",
            "/v1/payments/{payment_id}",
            needs(P::PaymentsRead),
        ),
        post(
            "create_refund",
            "/v1/payments/{payment_id}/refunds",
            needs(P::PaymentsRefund).privileged(),
        ),
        get(
            "get_shipment",
            "/v1/shipments/{shipment_id}",
            needs(P::ShipmentsRead),
        ),
        // signed by the card provider; the payment service keeps what it reports
        post("take_payment_webhook", "/v1/webhooks/payments", public()),
        // what happens, as it happens
        get(
            "open_notifications",
            "/v1/notifications/ws",
            needs(P::NotificationsRead).own().upgrade(),
        ),
        // events, and what they come to
        push(
            "ingest_events",
            "/v1/events",
            needs(P::EventsWrite).cost(BATCH),
        ),
        get(
            "list_events",
            "/v1/events",
            needs(P::AnalyticsRead).cost(LIST),
        ),
        get(
            "get_live_metrics",
            "/v1/metrics/live",
            needs(P::MetricsRead).cost(LIST),
        ),
        get(
            "query_events",
            "/v1/analytics/events",
            needs(P::AnalyticsRead).cost(LIST),
        ),
        get(
            "list_top_event_types",
            "/v1/analytics/top",
            needs(P::AnalyticsRead).cost(LIST),
        ),
        get(
            "report_daily",
            "/v1/analytics/daily",
            needs(P::AnalyticsReadAny).cost(LIST),
        ),
        get(
            "export_events",
            "/v1/analytics/export",
            needs(P::AnalyticsRead).cost(BATCH),
        ),
        // API keys and OAuth clients: made by people, for programs
        get(
            "list_api_keys",
            "/v1/api-keys",
            needs(P::KeysRead).cost(LIST),
        ),
        get("get_api_key", "/v1/api-keys/{key_id}", needs(P::KeysRead)),
        within(Verb::Post, "create_api_key", "/v1/api-keys", keys()),
        within(
            Verb::Post,
            "rotate_api_key",
            "/v1/api-keys/{key_id}/rotate",
            keys(),
        ),
        within(
            Verb::Delete,
            "revoke_api_key",
            "/v1/api-keys/{key_id}",
            keys(),
        ),
        get(
            "list_oauth_clients",
            "/v1/oauth/clients",
            needs(P::KeysRead).cost(LIST),
        ),
        get(
            "get_oauth_client",
            "/v1/oauth/clients/{client_id}",
            needs(P::KeysRead),
        ),
        within(
            Verb::Post,
            "create_oauth_client",
            "/v1/oauth/clients",
            keys(),
        ),
        within(
            Verb::Delete,
            "remove_oauth_client",
            "/v1/oauth/clients/{client_id}",
            keys(),
        ),
        // the caller's own second factor; whether it has to be shown first is the use case's rule,
        // which knows whether there is one
        within(Verb::Post, "enrol_totp", "/v1/auth/mfa/totp", own_login()),
        within(
            Verb::Post,
            "confirm_totp",
            "/v1/auth/mfa/totp/confirm",
            own_login(),
        ),
        within(
            Verb::Delete,
            "remove_totp",
            "/v1/auth/mfa/totp",
            own_login(),
        ),
        within(
            Verb::Post,
            "step_up",
            "/v1/auth/mfa/step-up",
            user().cost(STRICT),
        ),
        within(
            Verb::Post,
            "replace_recovery_codes",
            "/v1/auth/mfa/recovery-codes",
            own_login(),
        ),
        // OAuth: clients show themselves by their own secret, users by their login
        within(
            Verb::Post,
            "create_authorization",
            "/v1/oauth/authorizations",
            own_login(),
        ),
        get("authorize", "/oauth/authorize", public()),
        within(Verb::Post, "issue_token", "/oauth/token", public()),
        within(
            Verb::Post,
            "introspect_token",
            "/oauth/introspect",
            public(),
        ),
        within(Verb::Post, "revoke_token", "/oauth/revoke", public()),
        get(
            "get_oauth_metadata",
            "/.well-known/oauth-authorization-server",
            public(),
        ),
        // logging in and staying in
        within(Verb::Post, "log_in", "/v1/auth/login", public()),
        within(Verb::Post, "refresh", "/v1/auth/refresh", public()),
        within(Verb::Post, "log_out", "/v1/auth/logout", user()),
        get("get_me", "/v1/auth/me", Rule::of(Who::Authenticated)),
        within(Verb::Post, "set_password", "/v1/auth/password", user()),
        get("list_sessions", "/v1/auth/sessions", user().cost(LIST)),
        within(Verb::Delete, "revoke_sessions", "/v1/auth/sessions", user()),
        within(
            Verb::Delete,
            "revoke_session",
            "/v1/auth/sessions/{session_id}",
            user(),
        ),
        get("get_jwks", "/.well-known/jwks.json", public()),
        // the users of a tenant
        within(
            Verb::Post,
            "create_user",
            "/v1/users",
            needs(P::UsersManage).privileged(),
        ),
        get("list_users", "/v1/users", needs(P::UsersRead).cost(LIST)),
        get("get_user", "/v1/users/{user_id}", needs(P::UsersRead)),
        within(
            Verb::Delete,
            "remove_user",
            "/v1/users/{user_id}",
            needs(P::UsersManage).privileged(),
        ),
        within(
            Verb::Put,
            "set_user_role",
            "/v1/users/{user_id}/role",
            needs(P::UsersManage).privileged(),
        ),
        within(
            Verb::Post,
            "revoke_user",
            "/v1/users/{user_id}/revoke",
            needs(P::UsersManage).privileged(),
        ),
        // tenants, for those who run the platform
        within(
            Verb::Post,
            "create_tenant",
            "/v1/tenants",
            needs(P::TenantsManage).privileged(),
        ),
        get(
            "list_tenants",
            "/v1/tenants",
            needs(P::TenantsManage).cost(LIST),
        ),
        get(
            "get_tenant",
            "/v1/tenants/{tenant_id}",
            needs(P::TenantsManage),
        ),
        within(
            Verb::Patch,
            "change_tenant",
            "/v1/tenants/{tenant_id}",
            needs(P::TenantsManage).privileged(),
        ),
        within(
            Verb::Post,
            "suspend_tenant",
            "/v1/tenants/{tenant_id}/suspend",
            needs(P::TenantsManage).privileged(),
        ),
        within(
            Verb::Post,
            "resume_tenant",
            "/v1/tenants/{tenant_id}/resume",
            needs(P::TenantsManage).privileged(),
        ),
        within(
            Verb::Post,
            "revoke_tenant",
            "/v1/tenants/{tenant_id}/revoke",
            needs(P::TenantsManage).privileged(),
        ),
        // why a call is denied
        get(
            "explain_access",
            "/v1/access/explain",
            needs(P::AccessExplain),
        ),
        // who did what
        get(
            "list_audit_entries",
            "/v1/audit",
            needs(P::AuditRead).cost(LIST),
        ),
        get(
            "export_audit",
            "/v1/audit/export",
            needs(P::AuditRead).cost(EXPORT),
        ),
        // the description of the API
        get("get_description", "/openapi.json", public()),
        get("browse_description", "/docs", public()),
        get("browse_description", "/docs/", public()),
        get("browse_description", "/docs/{*rest}", public()),
    ]
};

static BY_TEMPLATE: LazyLock<HashMap<&'static str, Vec<&'static Route>>> = LazyLock::new(|| {
    let mut by_template: HashMap<_, Vec<_>> = HashMap::new();
    for route in ROUTES {
        by_template.entry(route.template).or_default().push(route);
    }
    by_template
});

/// The entries of a template, whatever is done to it.
#[must_use]
pub fn of(template: &str) -> &'static [&'static Route] {
    BY_TEMPLATE.get(template).map_or(&[], Vec::as_slice)
}

/// The entry of a route.
#[must_use]
pub fn find(verb: Verb, template: &str) -> Option<&'static Route> {
    let mut routes = of(template).iter();
    routes.find(|route| route.verb == verb).copied()
}

/// The entry that a path would lead to, as the router matches: a literal segment goes before a
/// parameter, and a parameter before a rest.
#[must_use]
pub fn matching(verb: Verb, path: &str) -> Option<&'static Route> {
    let of_verb = ROUTES.iter().filter(|route| route.verb == verb);
    of_verb
        .filter_map(|route| Some((specificity(route.template, path)?, route)))
        .max_by(|(one, _), (other, _)| one.cmp(other))
        .map(|(_, route)| route)
}

/// How exactly a template matches a path, segment by segment: 2 literal, 1 parameter, 0 rest.
fn specificity(template: &str, path: &str) -> Option<Vec<u8>> {
    let mut wanted = template.split('/');
    let mut given = path.split('/');
    let mut exactness = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(exactness),
            (Some(rest), Some(segment)) if rest.starts_with("{*") && !segment.is_empty() => {
                exactness.push(0);
                return Some(exactness);
            }
            (Some(parameter), Some(segment)) if parameter.starts_with('{') => {
                if segment.is_empty() {
                    return None;
                }
                exactness.push(1);
            }
            (Some(literal), Some(segment)) if literal == segment => exactness.push(2),
            (Some(_), Some(_) | None) | (None, Some(_)) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_stands_once_and_costs_something() {
        for (position, route) in ROUTES.iter().enumerate() {
            let place = format!("{} {}", route.verb, route.template);
            let same =
                |other: &&Route| (other.verb, other.template) == (route.verb, route.template);
            assert_eq!(
                ROUTES.iter().position(|other| same(&other)),
                Some(position),
                "{place}"
            );
            assert_eq!(find(route.verb, route.template), Some(route), "{place}");
            assert!(route.rule.cost > 0, "{place}");
        }
    }

    #[test]
    fn what_changes_something_is_audited() {
        for Route {
            name, verb, rule, ..
        } in ROUTES
        {
            let reads = rule.audit == Audit::No;
            assert_eq!(reads, *verb == Verb::Get, "{name}");
            assert!(!reads || !rule.privileged, "{name}");
        }
    }

    /// In full, but for events: they say what happened to a program, change no object and give
    /// nobody a right, so their stream has an entry an hour.
    #[test]
    fn only_what_counts_and_nothing_else_is_audited_once_an_hour() {
        let hourly = ROUTES
            .iter()
            .filter(|route| route.rule.audit == Audit::Hourly);
        let names: Vec<_> = hourly.clone().map(|route| route.name).collect();

        assert_eq!(names, ["ingest_events"]);
        assert!(hourly.clone().all(|route| !route.rule.privileged));
        assert!(hourly.clone().all(|route| route.rule.who != Who::Public));
    }

    #[test]
    fn money_is_given_away_by_privilege_only() {
        let refund = find(Verb::Post, "/v1/payments/{payment_id}/refunds");
        assert!(refund.unwrap().rule.privileged);
    }

    #[test]
    fn a_path_leads_to_the_entry_that_the_router_would_take() {
        for (verb, path, template) in [
            (Verb::Get, "/v1/orders", Some("/v1/orders")),
            (Verb::Get, "/v1/orders/o", Some("/v1/orders/{order_id}")),
            (Verb::Get, "/v1/orders/", None),
            (Verb::Get, "/v1/orders/o/cancel", None),
            (
                Verb::Post,
                "/v1/orders/o/cancel",
                Some("/v1/orders/{order_id}/cancel"),
            ),
            (Verb::Get, "/docs/", Some("/docs/")),
            (Verb::Get, "/docs/a/b.css", Some("/docs/{*rest}")),
            (Verb::Delete, "/v1/orders", None),
            (Verb::Get, "", None),
        ] {
            let found = matching(verb, path).map(|route| route.template);
            assert_eq!(found, template, "{verb} {path}");
        }
    }

    #[test]
    fn head_is_asked_like_get() {
        assert_eq!("HEAD".parse(), Ok(Verb::Get));
        assert!("TRACE".parse::<Verb>().is_err() && "get".parse::<Verb>().is_err());
    }
}
