//! Every route of the table against every role, through the real router.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::Value;
use tradepost_gateway::domain::rights::{Reach, Role};
use tradepost_gateway::domain::routes::{ROUTES, Route, Who};

use crate::doubles::caller;
use crate::stage::{Answer, Stage, keyed};

/// What the description does not describe: itself, and the page that shows notifications.
const NOT_DESCRIBED: [&str; 10] = [
    "/openapi.json",
    "/docs",
    "/docs/",
    "/docs/{*rest}",
    "/demo",
    "/demo/demo.css",
    "/demo/demo.js",
    "/demo/client.js",
    "/demo/events.js",
    "/demo/way.js",
];

#[test]
fn the_table_has_every_route_of_the_description_and_no_other() {
    let document = serde_json::to_value(tradepost_gateway::http::openapi()).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            described.insert((method.to_uppercase(), path.clone(), name.to_owned()));
        }
    }

    let ruled = ROUTES.iter().map(|route| {
        let Route {
            verb,
            template,
            name,
            ..
        } = route;
        (verb.to_string(), (*template).to_owned(), (*name).to_owned())
    });
    let ruled: BTreeSet<_> = ruled
        .filter(|(_, template, _)| !NOT_DESCRIBED.contains(&template.as_str()))
        .collect();

    assert_eq!(
        described, ruled,
        "left: what is served; right: what the table knows"
    );
}

#[test]
fn the_description_tells_what_is_denied() {
    let document = serde_json::to_value(tradepost_gateway::http::openapi()).unwrap();
    for route in ROUTES {
        if NOT_DESCRIBED.contains(&route.template) {
            continue;
        }
        let method = route.verb.as_str().to_lowercase();
        let answers: &Value = &document["paths"][route.template][method]["responses"];
        let open = route.rule.who == Who::Public;
        assert_eq!(answers.get("403").is_some(), !open, "{}", route.name);
        assert!(open || answers.get("401").is_some(), "{}", route.name);
    }
}

/// A path of the route.
fn path(route: &Route) -> String {
    let segments = route.template.split('/');
    let segments = segments.map(|segment| {
        if segment.starts_with('{') {
            "x"
        } else {
            segment
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

async fn call(stage: &Stage, route: &Route, token: Option<&str>) -> Answer {
    let method: Method = route.verb.as_str().parse().unwrap();
    let mut request = keyed(method, &path(route), "{}");
    if route.rule.upgrade {
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    if let Some(token) = token {
        let token = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", token);
    }
    stage.send(request).await
}

/// Whether the gate let a call through; what the handler makes of it is another matter.
fn passed(answer: &Answer) -> bool {
    if !answer.status.is_client_error() || answer.is_oauth_error() {
        return true;
    }
    let reason = answer.problem()["reason"].as_str().unwrap().to_owned();
    !matches!(
        reason.as_str(),
        "PERMISSION_DENIED" | "STEP_UP_REQUIRED" | "CREDENTIALS_MISSING" | "TOKEN_INVALID"
    )
}

#[tokio::test]
async fn every_role_reaches_what_its_permissions_say_and_nothing_else() {
    let stage = Stage::new().await;
    for role in Role::ALL {
        stage.doubles.knows(role.as_str(), caller(*role));
    }
    for route in ROUTES {
        for role in Role::ALL {
            let allowed = match route.rule.who {
                Who::Public | Who::Authenticated | Who::User => true,
                Who::Needs(_) | Who::NeedsOne(_) => {
                    let within = route.rule.own || role.reach() == Reach::Tenant;
                    let mut permissions = route.rule.who.permissions().iter();
                    within && permissions.any(|permission| role.rights().contain(*permission))
                }
            };
            let before = stage.fake.calls();

            let answer = call(&stage, route, Some(role.as_str())).await;

            let place = format!("{role}: {} ({})", route.name, answer.status);
            assert_eq!(passed(&answer), allowed, "{place}");
            assert!(allowed || stage.fake.calls() == before, "{place}");
        }
    }
}

#[tokio::test]
async fn without_credentials_nothing_but_the_public_is_reached() {
    let stage = Stage::new().await;
    stage.doubles.closed();
    for route in ROUTES {
        for token in [None, Some("stolen")] {
            let answer = call(&stage, route, token).await;
            let open = route.rule.who == Who::Public;
            assert_eq!(passed(&answer), open, "{}: {}", route.name, answer.status);
            assert_eq!(answer.status == 401 && !open, !open, "{}", route.name);
        }
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn every_route_of_the_table_is_served() {
    let stage = Stage::new().await;
    for route in ROUTES {
        let answer = call(&stage, route, None).await;
        assert_ne!(answer.status, 405, "{}", route.name);
        // The pages have no page of this name.
        if !NOT_DESCRIBED.contains(&route.template) {
            assert_ne!(answer.status, 404, "{}", route.name);
        }
    }
}

#[tokio::test]
async fn every_role_reaches_its_own_orders_and_customers_no_others() {
    let stage = Stage::new().await;
    let other = caller(Role::Customer).subject.to_string();
    for role in Role::ALL {
        let caller = caller(*role);
        let own = caller.subject.to_string();
        stage.doubles.knows(role.as_str(), caller);
        for route in ROUTES
            .iter()
            .filter(|route| route.template.contains("{order_id}"))
        {
            let Who::Needs(permission) = route.rule.who else {
                panic!("{} is for everybody", route.name);
            };
            let may = role.rights().contain(permission);
            let is_customer = role.reach() == Reach::Own;
            for (owner, visible) in [(&own, true), (&other, !is_customer)] {
                let path = route.template.replace("{order_id}", &format!("of-{owner}"));
                let method: Method = route.verb.as_str().parse().unwrap();
                let mut request = keyed(method, &path, "{}");
                let token = format!("Bearer {role}").parse().unwrap();
                request.headers_mut().insert("authorization", token);

                let answer = stage.send(request).await;

                let expected = match (may, visible) {
                    (false, _) => 403,
                    (true, false) => 404,
                    (true, true) => 200,
                };
                assert_eq!(answer.status, expected, "{role} {} {owner}", route.name);
                if may {
                    assert_eq!(stage.seen_by("order").customer, is_customer, "{role}");
                }
            }
        }
    }
}
