//! The one way in: what every request passes between the outer layer and its handler.
//!
//! The limit of its address, who calls, whether their tenant may, the caller's limit, whether they
//! may use this route, the entry in the audit trail; then the handler, and its end in the trail.
//! What fails here has reached no service.

mod hourly;
mod passage;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::http::header::{ALLOW, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::{Denied, DeniedBy, by};
use super::caller::{denied, reason};
use super::cors;
use super::problem::Problem;
use super::router::Gateway;
use super::upgrade;
use crate::domain::access::{self, Denial, Moment};
use crate::domain::caller::{Caller, Verified};
use crate::domain::routes::{self, Audit, Route, Rule, Verb, Who};
use crate::ports::{Guards, Refused, Unavailable};
use passage::{Passage, Place};
use tradepost_service::proxies::Client;

pub use hourly::Hourly;

/// When to come back after something that the gate needs was not there.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lets a request through to its handler, or answers it.
pub(super) async fn pass(gateway: &Gateway, request: Request, next: Next) -> Response {
    let address = address(&request);
    let limited = gateway.guards.limits.address(address).await;
    if let Some(delay) = limited.refused {
        return too_many(delay, limited.headers);
    }
    let Some(template) = request.extensions().get::<MatchedPath>().cloned() else {
        // Nothing is there: the router says so, whoever asks.
        return next.run(request).await;
    };
    let route = entry(request.method(), template.as_str()).and_then(|route| {
        upgrade::check(route.rule.upgrade, request.method(), request.headers())?;
        Ok(route)
    });
    match route {
        Ok(route) if route.rule.who == Who::Public => next.run(request).await,
        Ok(route) => identified(gateway, route, address, request, next).await,
        Err(problem) => problem.into_response(),
    }
}

/// The rest of the way, for routes that are not for everybody.
async fn identified(
    gateway: &Gateway,
    route: &'static Route,
    address: IpAddr,
    mut request: Request,
    next: Next,
) -> Response {
    let known = match route.rule.upgrade {
        true => {
            let headers = upgrade::with_credentials(request.headers());
            known(gateway, &headers, address, &route.rule).await
        }
        false => known(gateway, request.headers(), address, &route.rule).await,
    };
    let (caller, basis) = match known {
        Ok(Verified { caller, basis }) => (Arc::new(caller), basis),
        Err(problem) => return problem.into_response(),
    };
    let place = Place::of(route, address, &request);
    let passage = || Passage::new(gateway, &caller, &place);
    if let Err(problem) = admitted(gateway, &caller, request.headers()).await {
        if problem.status == StatusCode::FORBIDDEN {
            passage().denied(&problem.reason).await;
        }
        return problem.into_response();
    }
    let limit = gateway
        .guards
        .limits
        .identity(&caller, route.rule.cost)
        .await;
    if let Some(delay) = limit.refused {
        return too_many(delay, limit.headers);
    }
    let decided = match moment(&gateway.guards, &caller, &route.rule).await {
        Ok(moment) => access::decide(&caller, &route.rule, moment),
        Err(Unavailable) => return unavailable("IDENTITY_UNAVAILABLE").into_response(),
    };
    let by = decided.as_ref().err().map(by);
    let mut answer = match decided {
        Err(denial) => {
            passage().denied(reason(&denial)).await;
            refuse(&denial).into_response()
        }
        Ok(()) => {
            request.extensions_mut().insert(Arc::clone(&caller));
            request.extensions_mut().insert(basis);
            forwarded(gateway, &caller, passage(), request, next).await
        }
    };
    remember(gateway, &place, caller, by, &answer);
    answer.headers_mut().extend(limit.headers);
    answer
}

/// Hands a call on that is let through, with its entries in the trail.
async fn forwarded(
    gateway: &Gateway,
    caller: &Caller,
    passage: Passage<'_>,
    request: Request,
    next: Next,
) -> Response {
    let (route, now) = (passage.route(), gateway.guards.clock.now());
    let audited = match route.rule.audit {
        Audit::Around => true,
        Audit::Hourly => gateway.hourly.is_due(caller, route, now),
        Audit::No | Audit::Within => false,
    };
    if !audited {
        return passage.unaudited(request, next).await;
    }
    if passage.attempted().await.is_err() {
        return unavailable("AUDIT_UNAVAILABLE").into_response();
    }
    if route.rule.audit == Audit::Hourly {
        gateway.hourly.remember(caller, route, now);
    }
    passage.audited(request, next).await
}

/// Keeps what was denied, by the gate or behind it, for whoever asks why.
fn remember(
    gateway: &Gateway,
    place: &Place,
    caller: Arc<Caller>,
    by: Option<DeniedBy>,
    answer: &Response,
) {
    let is_denied = by.is_some() || answer.status() == StatusCode::FORBIDDEN;
    let problem = answer.extensions().get::<Problem>();
    let (true, Some(problem), Some(trace_id)) = (is_denied, problem, place.trace_id()) else {
        return;
    };
    let denied = Denied {
        caller,
        route: place.route(),
        by: by.unwrap_or(DeniedBy::Request),
        detail: problem.clone().into_detail(),
    };
    gateway.denials.remember(trace_id, denied);
}

/// What a decision needs to know; about second factors only where the rule asks for one.
pub(super) async fn moment(
    guards: &Guards,
    caller: &Caller,
    rule: &Rule,
) -> Result<Moment, Unavailable> {
    let has_factor = match access::asks_for_factor(caller, rule) {
        Some(user) => guards.directory.has_second_factor(user).await?,
        None => false,
    };
    Ok(Moment {
        now: guards.clock.now(),
        has_factor,
    })
}

/// The entry of a route. Without one nothing is let through, also where a handler is.
fn entry(method: &Method, template: &str) -> Result<&'static Route, Problem> {
    let verb = method.as_str().parse::<Verb>().ok();
    if let Some(route) = verb.and_then(|verb| routes::find(verb, template)) {
        return Ok(route);
    }
    let others: Vec<_> = routes::of(template)
        .iter()
        .map(|route| route.verb)
        .collect();
    if others.is_empty() {
        tracing::error!(
            event = "gateway.route_without_rule",
            http.route = template,
            "a route has no entry in the table: it is refused"
        );
        let detail = "nobody may use this route";
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "PERMISSION_DENIED",
            detail,
        ));
    }
    Err(not_allowed(&others))
}

fn not_allowed(verbs: &[Verb]) -> Problem {
    let mut names: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
    if verbs.contains(&Verb::Get) {
        names.push("HEAD");
    }
    let problem = Problem::of_status(StatusCode::METHOD_NOT_ALLOWED);
    match HeaderValue::try_from(names.join(",")) {
        Ok(allow) => problem.with(ALLOW, allow),
        Err(_unprintable) => problem,
    }
}

/// Who calls.
async fn known(
    gateway: &Gateway,
    headers: &HeaderMap,
    address: IpAddr,
    rule: &Rule,
) -> Result<Verified, Problem> {
    match verified(gateway, headers, address, rule.ticket).await {
        Ok(Some(verified)) => Ok(verified),
        Ok(None) => Err(unauthenticated()),
        Err(refused) => Err(refused_credentials(refused)),
    }
}

/// Who shows the credentials in these headers; a ticket is one only where it may be.
pub(super) async fn verified(
    gateway: &Gateway,
    headers: &HeaderMap,
    address: IpAddr,
    may_be_ticket: bool,
) -> Result<Option<Verified>, Refused> {
    let authenticate = &gateway.guards.authenticate;
    match upgrade::ticket(headers).filter(|_| may_be_ticket) {
        Some(ticket) => authenticate.redeem(ticket).await.map(Some),
        None => authenticate.verify(headers, address).await,
    }
}

/// Whether the caller may use the platform at present, from the page that calls for them.
async fn admitted(gateway: &Gateway, caller: &Caller, headers: &HeaderMap) -> Result<(), Problem> {
    standing(gateway, caller).await?;
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    let Some(origin) = origin.filter(|origin| gateway.origins.allows(origin)) else {
        // No page, or one that got in without a preflight's leave: of the gateway itself.
        return Ok(());
    };
    match cors::may_call_for(caller, origin, gateway).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(cors::foreign_page()),
        Err(Unavailable) => Err(unavailable("IDENTITY_UNAVAILABLE")),
    }
}

/// Whether the caller's tenant may use the platform; operators have none.
async fn standing(gateway: &Gateway, caller: &Caller) -> Result<(), Problem> {
    let Some(tenant) = caller.tenant else {
        return Ok(());
    };
    match gateway.guards.directory.is_active(tenant).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(suspended()),
        Err(Unavailable) => Err(unavailable("IDENTITY_UNAVAILABLE")),
    }
}

/// The client's address; the layer outside has found it out.
fn address(request: &Request) -> IpAddr {
    let client = request.extensions().get::<Client>();
    client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.address)
}

fn too_many(delay: Duration, headers: HeaderMap) -> Response {
    let detail = "too many requests; see Retry-After";
    let mut answer = Problem::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail)
        .retry_after(delay)
        .into_response();
    answer.headers_mut().extend(headers);
    answer
}

/// RFC 6750, section 3.1: a request without credentials is told no error code.
fn unauthenticated() -> Problem {
    let detail = "credentials are missing: send `Authorization: Bearer …`";
    Problem::new(StatusCode::UNAUTHORIZED, "CREDENTIALS_MISSING", detail)
        .challenge("Bearer realm=\"tradepost\"")
}

fn refused_credentials(refused: Refused) -> Problem {
    match refused {
        Refused::Invalid { reason, detail } => {
            Problem::new(StatusCode::UNAUTHORIZED, reason, detail)
                .challenge("Bearer realm=\"tradepost\", error=\"invalid_token\"")
        }
        Refused::Malformed { reason, detail } => {
            Problem::new(StatusCode::BAD_REQUEST, reason, detail)
                .challenge("Bearer realm=\"tradepost\", error=\"invalid_request\"")
        }
        Refused::Suspended => suspended(),
        Refused::Unavailable(Unavailable) => unavailable("IDENTITY_UNAVAILABLE"),
    }
}

/// RFC 6750 for what is missing, RFC 9470 for a second factor that is too old.
fn refuse(denial: &Denial) -> Problem {
    let error = match denial {
        Denial::Missing { permission, .. } => {
            format!("error=\"insufficient_scope\", scope=\"{permission}\"")
        }
        Denial::NotAPerson | Denial::OnlyOwn => "error=\"insufficient_scope\"".to_owned(),
        Denial::StepUp => format!(
            "error=\"insufficient_user_authentication\", max_age={}",
            access::STEP_UP_AGE_MAX.as_secs()
        ),
    };
    denied(denial).challenge(&format!("Bearer realm=\"tradepost\", {error}"))
}

fn suspended() -> Problem {
    let detail = "your tenant is suspended";
    Problem::new(StatusCode::FORBIDDEN, "TENANT_SUSPENDED", detail)
}

fn unavailable(reason: &'static str) -> Problem {
    let detail = "this cannot be checked at the moment; try again later";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason, detail).retry_after(RETRY_AFTER)
}
