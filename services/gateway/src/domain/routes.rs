//! Who may use which route: the one table that the gate goes by (`table`). It does not decide;
//! `access` does.
//!
//! A route without an entry is refused, and a test fails for it; so does one for an entry without
//! a route.

mod table;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use super::rights::Permission;

pub use table::ROUTES;

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
    /// Whoever has one of these permissions; the first is the one that is missing otherwise. What the
    /// call shows may depend on which: the handler looks.
    NeedsOne(&'static [Permission]),
}

impl Who {
    /// The permissions of which each is enough; none where it takes none.
    #[must_use]
    pub const fn permissions(&self) -> &[Permission] {
        match self {
            Self::Public | Self::Authenticated | Self::User => &[],
            Self::Needs(permission) => std::slice::from_ref(permission),
            Self::NeedsOne(permissions) => permissions,
        }
    }
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
    /// not. For what is sent without end and changes nothing but figures: two entries a call would
    /// be more than the call, and a tenant's chain takes one after the other.
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
    /// Whether a ticket may stand for credentials: the connection then lives on.
    pub ticket: bool,
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
            ticket: false,
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

    const fn ticket(self) -> Self {
        Self {
            ticket: true,
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
    fn who_needs_one_of_several_permissions_has_several_to_choose_from() {
        for Route { name, rule, .. } in ROUTES {
            if let Who::NeedsOne(permissions) = rule.who {
                assert!(permissions.len() > 1, "{name}");
            }
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

    /// In full, but for events, which say what happened to a program, for how far somebody has read,
    /// and for tickets, which give whoever gets them what they have: they change no object and give
    /// nobody a right, so their stream has an entry an hour.
    #[test]
    fn only_what_counts_and_nothing_else_is_audited_once_an_hour() {
        let hourly = ROUTES
            .iter()
            .filter(|route| route.rule.audit == Audit::Hourly);
        let names: Vec<_> = hourly.clone().map(|route| route.name).collect();

        assert_eq!(
            names,
            [
                "create_notification_ticket",
                "mark_notifications_read",
                "ingest_events"
            ]
        );
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
