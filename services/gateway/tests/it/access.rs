//! The gate: who gets in, who does not, and what is said and remembered of it.

use axum::http::{Method, Request};
use http_body_util::Full;
use serde_json::json;
use tonic::Code;
use tradepost_gateway::domain::access::{Moment, decide};
use tradepost_gateway::domain::audit::Outcome;
use tradepost_gateway::domain::caller::{Caller, Proof, Subject};
use tradepost_gateway::domain::rights::{Permission, Rights, Role};
use tradepost_gateway::domain::routes;
use tradepost_gateway::ports::Key;
use tradepost_proto::order::v1 as ord;
use tradepost_service::error::Failure;
use tradepost_testkit::eventually;
use tradepost_types::{ApiKeyId, ClientId, TenantId, UserId};

use crate::doubles::{NOW, caller};
use crate::stage::{Answer, SOON, Stage, an_order, bare, keyed};

async fn as_who(stage: &Stage, token: &str, request: Request<Full<bytes::Bytes>>) -> Answer {
    let (mut parts, body) = request.into_parts();
    let token = format!("Bearer {token}").parse().unwrap();
    parts.headers.insert("authorization", token);
    stage.send(Request::from_parts(parts, body)).await
}

async fn get_as(stage: &Stage, token: &str, path: &str) -> Answer {
    as_who(stage, token, bare(Method::GET, path)).await
}

async fn post_as(stage: &Stage, token: &str, path: &str, body: &serde_json::Value) -> Answer {
    as_who(stage, token, keyed(Method::POST, path, body.to_string())).await
}

fn reason(answer: &Answer) -> (u16, String) {
    let (status, reason, _) = answer.faults();
    (status, reason)
}

#[tokio::test]
async fn without_credentials_only_what_is_public_answers() {
    let stage = Stage::new().await;
    stage.doubles.closed();

    let refused = stage.get("/v1/orders").await;
    let public = stage.get("/openapi.json").await;
    let nowhere = stage.get("/nowhere").await;

    assert_eq!(reason(&refused), (401, "CREDENTIALS_MISSING".to_owned()));
    let challenge = refused.header("www-authenticate");
    assert_eq!(challenge, Some("Bearer realm=\"tradepost\""));
    assert_eq!(
        (public.status.as_u16(), nowhere.status.as_u16()),
        (200, 404)
    );
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn credentials_that_are_no_good_are_refused_with_the_error_code() {
    let stage = Stage::new().await;

    let wrong = get_as(&stage, "stolen", "/v1/orders").await;
    let odd = bare(Method::GET, "/v1/orders");
    let (mut parts, body) = odd.into_parts();
    parts
        .headers
        .insert("authorization", "Basic abc".parse().unwrap());
    let odd = stage.send(Request::from_parts(parts, body)).await;

    assert_eq!(reason(&wrong), (401, "TOKEN_INVALID".to_owned()));
    let challenge = wrong.header("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert_eq!(reason(&odd), (400, "CREDENTIALS_MALFORMED".to_owned()));
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let stage = Stage::new().await;
    stage.doubles.knows("support", caller(Role::Support));

    let refund = post_as(&stage, "support", "/v1/payments/p/refunds", &json!({})).await;

    assert_eq!(reason(&refund), (403, "PERMISSION_DENIED".to_owned()));
    let problem = refund.problem();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("payments:refund"), "{detail}");
    let challenge = refund.header("www-authenticate").unwrap();
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
    assert_eq!(stage.fake.calls(), 0);
    let entries = stage.doubles.entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].action(), entries[0].outcome()),
        ("create_refund", Outcome::Denied)
    );
    let whole = format!("{:?}", entries[0]);
    let trace_id = problem["trace_id"].as_str().unwrap();
    for part in ["PERMISSION_DENIED", "object: Some(\"p\")", trace_id] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
}

#[tokio::test]
async fn a_route_that_the_table_does_not_have_is_not_reached() {
    let stage = Stage::new().await;

    let wrong = stage.send(keyed(Method::DELETE, "/v1/orders", "")).await;
    let odd = stage.send(bare(Method::TRACE, "/v1/orders")).await;
    let head = stage.send(bare(Method::HEAD, "/v1/items")).await;

    assert_eq!(reason(&wrong), (405, "METHOD_NOT_ALLOWED".to_owned()));
    assert_eq!(wrong.header("allow"), Some("POST,GET,HEAD"));
    assert_eq!(odd.status, 405);
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn nobody_upgrades_a_connection_where_no_route_wants_it() {
    let stage = Stage::new().await;
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "keep-alive, Upgrade"),
    ] {
        let request = Request::get("/v1/items/a").header(name, value);
        let answer = stage.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(reason(&answer), (400, "UPGRADE_NOT_ALLOWED".to_owned()));
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn a_suspended_tenant_is_kept_out() {
    let stage = Stage::new().await;
    let member = caller(Role::Owner);
    stage.doubles.suspend(member.tenant.unwrap());
    stage.doubles.knows("owner", member);

    let answer = get_as(&stage, "owner", "/v1/orders").await;

    assert_eq!(reason(&answer), (403, "TENANT_SUSPENDED".to_owned()));
    assert_eq!(stage.doubles.entries()[0].outcome(), Outcome::Denied);
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn limits_refuse_before_and_after_it_is_known_who_calls() {
    let stage = Stage::new().await;
    stage.doubles.knows("owner", caller(Role::Owner));

    let within = get_as(&stage, "owner", "/v1/orders").await;
    stage.doubles.exhaust_identity();
    let over = get_as(&stage, "owner", "/v1/orders/o").await;
    stage.doubles.exhaust_address();
    let early = get_as(&stage, "stolen", "/v1/orders/o").await;

    assert_eq!(within.header("ratelimit"), Some("\"user\";r=12;t=4"));
    for answer in [over, early] {
        assert_eq!(reason(&answer), (429, "RATE_LIMITED".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("7"));
        assert_eq!(answer.header("ratelimit"), Some("\"user\";r=0;t=7"));
    }
    assert_eq!(
        stage.doubles.costs(),
        [5, 1],
        "a list costs more than a read"
    );
    assert_eq!(stage.fake.calls(), 1);
}

#[tokio::test]
async fn when_nobody_can_say_who_calls_nobody_gets_in() {
    let stage = Stage::new().await;
    stage.doubles.break_identity();

    let answer = stage.get("/v1/orders").await;

    assert_eq!(reason(&answer), (503, "IDENTITY_UNAVAILABLE".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn what_changes_something_is_remembered_before_and_after() {
    let stage = Stage::new().await;
    stage.fake.close_gate();
    let order = an_order();
    let placing = stage.post("/v1/orders", &order);
    let check = async {
        eventually("it reached the service", SOON, async || {
            (stage.fake.calls() == 1).then_some(())
        })
        .await;
        assert_eq!(outcomes(&stage), [Outcome::Attempted]);
        stage.fake.gate.add_permits(1);
    };

    let (answer, ()) = tokio::join!(placing, check);

    assert_eq!(answer.status, 201);
    ended(&stage, Outcome::Succeeded, "").await;
    let entries = stage.doubles.entries();
    let owner = &stage.doubles.owner().subject;
    for entry in entries {
        assert_eq!(entry.action(), "place_order");
        assert!(format!("{entry:?}").contains(&format!("{owner:?}")));
    }
}

fn outcomes(stage: &Stage) -> Vec<Outcome> {
    let entries = stage.doubles.entries();
    entries.iter().map(|entry| entry.outcome()).collect()
}

/// Waits until the only call is remembered with its end, for that reason.
async fn ended(stage: &Stage, outcome: Outcome, reason: &str) {
    eventually("its end is remembered", SOON, async || {
        (outcomes(stage).len() == 2).then_some(())
    })
    .await;
    assert_eq!(outcomes(stage), [Outcome::Attempted, outcome]);
    let end = format!("{:?}", stage.doubles.entries()[1]);
    assert!(end.contains(reason), "{end}");
}

#[tokio::test]
async fn a_change_that_fails_and_one_that_is_denied_are_told_apart() {
    for (code, outcome) in [
        (Code::NotFound, Outcome::Failed),
        (Code::PermissionDenied, Outcome::Denied),
    ] {
        let stage = Stage::new().await;
        stage
            .fake
            .fail(Failure::new(code, "SOME_REASON", "order.tradepost", "no"));

        stage.post("/v1/orders/o/cancel", &json!({})).await;

        ended(&stage, outcome, "SOME_REASON").await;
    }
}

#[tokio::test]
async fn who_leaves_before_the_answer_leaves_an_unknown_end() {
    let stage = Stage::new().await;
    stage.fake.close_gate();
    let order = an_order();

    tokio::select! {
        _answer = stage.post("/v1/orders", &order) => panic!("the gate is closed"),
        () = eventually("it reached the service", SOON, async || {
            (stage.fake.calls() == 1).then_some(())
        }) => {}
    }

    ended(&stage, Outcome::Failed, "NO_ANSWER").await;
}

#[tokio::test]
async fn without_the_trail_nothing_is_changed_but_everything_read() {
    let stage = Stage::new().await;
    stage.doubles.break_trail();
    stage.doubles.knows("support", caller(Role::Support));

    let change = stage.post("/v1/orders", &an_order()).await;
    assert_eq!(reason(&change), (503, "AUDIT_UNAVAILABLE".to_owned()));
    assert_eq!(stage.fake.calls(), 0);

    assert_eq!(stage.get("/v1/orders/o").await.status, 200);
    let denied = post_as(&stage, "support", "/v1/payments/p/refunds", &json!({})).await;
    assert_eq!(denied.status, 403);
}

#[tokio::test]
async fn customers_order_for_themselves() {
    let stage = Stage::new().await;
    let customer = caller(Role::Customer);
    let own = customer.subject.to_string();
    stage.doubles.knows("customer", customer);
    let mut order = an_order();
    order["lines"][1]
        .as_object_mut()
        .unwrap()
        .remove("agreed_unit_price");

    let foreign = post_as(&stage, "customer", "/v1/orders", &order).await;
    let place = ("pointer".to_owned(), "/customer_ref".to_owned());
    assert_eq!(
        foreign.faults(),
        (403, "PERMISSION_DENIED".to_owned(), vec![place])
    );
    assert_eq!(stage.fake.calls(), 0);

    order["customer_ref"] = own.clone().into();
    assert_eq!(
        post_as(&stage, "customer", "/v1/orders", &order)
            .await
            .status,
        201
    );
    order.as_object_mut().unwrap().remove("customer_ref");
    assert_eq!(
        post_as(&stage, "customer", "/v1/orders", &order)
            .await
            .status,
        201
    );
    let placed = stage.fake.all::<ord::PlaceOrderRequest>();
    assert!(placed.iter().all(|order| order.customer_ref == own));
}

#[tokio::test]
async fn everybody_else_says_for_whom_they_order() {
    let stage = Stage::new().await;
    let mut order = an_order();
    order.as_object_mut().unwrap().remove("customer_ref");

    let answer = stage.post("/v1/orders", &order).await;

    let place = ("pointer".to_owned(), "/customer_ref".to_owned());
    assert_eq!(
        answer.faults(),
        (400, "INVALID_FIELD".to_owned(), vec![place])
    );
}

#[tokio::test]
async fn a_price_is_agreed_by_those_who_may() {
    let stage = Stage::new().await;
    let customer = caller(Role::Customer);
    let mut order = an_order();
    order["customer_ref"] = customer.subject.to_string().into();
    stage.doubles.knows("customer", customer);

    let answer = post_as(&stage, "customer", "/v1/orders", &order).await;

    let place = (
        "pointer".to_owned(),
        "/lines/1/agreed_unit_price".to_owned(),
    );
    assert_eq!(
        answer.faults(),
        (403, "PERMISSION_DENIED".to_owned(), vec![place])
    );
    let problem = answer.problem();
    assert!(problem["detail"].as_str().unwrap().contains("orders:price"));
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn customers_list_their_own_orders_whatever_they_ask_for() {
    let stage = Stage::new().await;
    let customer = caller(Role::Customer);
    let own = customer.subject.to_string();
    stage.doubles.knows("customer", customer);

    let all = get_as(&stage, "customer", "/v1/orders").await;
    let foreign = get_as(&stage, "customer", "/v1/orders?customer_ref=c-2").await;

    assert_eq!(all.status, 200);
    assert_eq!(
        stage.fake.only::<ord::ListOrdersRequest>().customer_ref,
        own
    );
    let place = ("parameter".to_owned(), "customer_ref".to_owned());
    assert_eq!(
        foreign.faults(),
        (403, "PERMISSION_DENIED".to_owned(), vec![place])
    );
    let told = stage.doubles.entries();
    let [entry] = told.as_slice() else {
        panic!("one denial, and nothing of what was only read: {told:?}");
    };
    assert_eq!(
        (entry.action(), entry.outcome()),
        ("list_orders", Outcome::Denied)
    );
}

/// What the explanation of a call says: whether, by what, and by which rule.
async fn explained(stage: &Stage, query: &str) -> (bool, String, String) {
    let answer = stage.get(&format!("/v1/access/explain?{query}")).await;
    assert_eq!(answer.status, 200, "{query}");
    let told = answer.json();
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    assert!(!text("detail").is_empty());
    (
        told["allowed"].as_bool().unwrap(),
        text("denied_by"),
        text("rule"),
    )
}

#[tokio::test]
async fn an_explanation_says_what_the_gate_would_decide_and_why() {
    let stage = Stage::new().await;
    let (user, key) = (UserId::new(), ApiKeyId::new());
    stage.doubles.has_member(user, Role::Support);
    let scope = Rights::of(&[Permission::OrdersRead]);
    let role = Role::Service;
    stage.doubles.has_key(key, Key { role, scope });
    let told = |allowed, by: &str, rule: &str| (allowed, by.to_owned(), rule.to_owned());

    for (query, expected) in [
        (
            "method=POST&path=/v1/orders".to_owned(),
            told(true, "", "place_order"),
        ),
        (
            "method=POST&path=/v1/payments/p/refunds&role=support".to_owned(),
            told(false, "ROLE", "create_refund"),
        ),
        (
            format!("method=POST&path=/v1/orders&user_id={user}"),
            told(false, "ROLE", "place_order"),
        ),
        (
            format!("method=GET&path=/v1/orders/o&user_id={user}"),
            told(true, "", "get_order"),
        ),
        (
            format!("method=GET&path=/v1/items&key_id={key}"),
            told(false, "KEY_SCOPE", "list_items"),
        ),
        (
            format!("method=GET&path=/v1/access/explain&key_id={key}"),
            told(false, "ROLE", "explain_access"),
        ),
        (
            "method=GET&path=/v1/items/a/stock-movements&role=customer".to_owned(),
            told(false, "OBJECT_REACH", "list_stock_movements"),
        ),
        (
            "method=DELETE&path=/v1/orders".to_owned(),
            told(false, "ROUTE", ""),
        ),
        (
            "method=GET&path=/openapi.json&role=customer".to_owned(),
            told(true, "", "get_description"),
        ),
    ] {
        assert_eq!(explained(&stage, &query).await, expected, "{query}");
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn an_explanation_tells_the_scope_of_the_token_from_the_role() {
    let stage = Stage::new().await;
    stage.doubles.knows(
        "narrow",
        Caller {
            rights: Rights::of(&[Permission::AccessExplain]),
            ..caller(Role::Admin)
        },
    );
    let path = "/v1/access/explain?method=GET&path=/v1/orders";

    let told = get_as(&stage, "narrow", path).await.json();

    assert_eq!(
        (&told["denied_by"], &told["needs"]),
        (&"TOKEN_SCOPE".into(), &"orders:read".into())
    );
}

#[tokio::test]
async fn an_explanation_knows_suspended_tenants_by_their_members_only() {
    let stage = Stage::new().await;
    let stranger = format!("method=GET&path=/v1/orders&user_id={}", UserId::new());

    let answer = stage.get(&format!("/v1/access/explain?{stranger}")).await;
    assert_eq!(reason(&answer), (404, "NOT_FOUND".to_owned()));

    for query in [
        "path=/v1/orders",
        "method=GET",
        "trace_id=abc&method=GET",
        "method=GET&path=/v1/orders&role=king",
        "method=GET&path=/v1/orders&user_id=x",
        "method=GET&path=/v1/orders&role=owner&user_id=x",
    ] {
        let answer = stage.get(&format!("/v1/access/explain?{query}")).await;
        assert_eq!(
            reason(&answer),
            (400, "INVALID_QUERY".to_owned()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_denied_call_is_explained_by_the_trace_id_of_its_answer() {
    let stage = Stage::new().await;
    stage.doubles.knows("customer", caller(Role::Customer));
    stage.doubles.knows(
        "foreign",
        Caller {
            tenant: Some(TenantId::new()),
            ..caller(Role::Owner)
        },
    );
    let denied = [
        (get_as(&stage, "customer", "/v1/payments/p").await, "ROLE"),
        (
            get_as(&stage, "customer", "/v1/items/a/stock-movements").await,
            "OBJECT_REACH",
        ),
        (
            get_as(&stage, "customer", "/v1/orders?customer_ref=c-2").await,
            "REQUEST",
        ),
    ];

    for (answer, by) in denied {
        let problem = answer.problem();
        let trace_id = problem["trace_id"].as_str().unwrap();
        let path = format!("/v1/access/explain?trace_id={trace_id}");
        let told = stage.get(&path).await.json();
        assert_eq!(
            (&told["denied_by"], &told["role"]),
            (&by.into(), &"customer".into())
        );
        assert_eq!(told["detail"], problem["detail"]);
        let foreign = get_as(&stage, "foreign", &path).await;
        assert_eq!(reason(&foreign), (404, "NOT_FOUND".to_owned()));
    }
}

#[tokio::test]
async fn an_explanation_is_for_those_who_may_ask() {
    let stage = Stage::new().await;
    stage.doubles.knows("manager", caller(Role::Manager));

    let answer = get_as(&stage, "manager", "/v1/access/explain?method=GET&path=/").await;

    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn a_program_is_told_apart_by_its_key() {
    let stage = Stage::new().await;
    let program = Caller {
        subject: Subject::Key(ApiKeyId::new()),
        session: None,
        rights: Rights::of(&[Permission::OrdersRead]),
        ..caller(Role::Service)
    };
    stage.doubles.knows("key", program);

    assert_eq!(get_as(&stage, "key", "/v1/orders/o").await.status, 200);
    let denied = get_as(&stage, "key", "/v1/items/a").await.problem();
    assert!(
        denied["detail"]
            .as_str()
            .unwrap()
            .contains("scope of your key")
    );
}

#[tokio::test]
async fn neither_a_key_nor_an_application_manages_keys_or_logins_whatever_it_may() {
    let stage = Stage::new().await;
    let key = Caller {
        subject: Subject::Key(ApiKeyId::new()),
        session: None,
        ..caller(Role::Owner)
    };
    let application = Caller {
        client: Some(ClientId::new()),
        ..caller(Role::Owner)
    };
    stage.doubles.knows("key", key);
    stage.doubles.knows("application", application);

    for (method, path) in [
        (Method::POST, "/v1/api-keys"),
        (Method::POST, "/v1/api-keys/k/rotate"),
        (Method::DELETE, "/v1/api-keys/k"),
        (Method::POST, "/v1/oauth/clients"),
        (Method::DELETE, "/v1/oauth/clients/c"),
        (Method::POST, "/v1/oauth/authorizations"),
        (Method::POST, "/v1/auth/mfa/totp"),
        (Method::DELETE, "/v1/auth/mfa/totp"),
        (Method::POST, "/v1/auth/password"),
        (Method::DELETE, "/v1/auth/sessions"),
        (Method::GET, "/v1/auth/sessions"),
    ] {
        for program in ["key", "application"] {
            let request = keyed(method.clone(), path, "{}");
            let answer = as_who(&stage, program, request).await;
            let refusal = (403, "PERMISSION_DENIED".to_owned());
            assert_eq!(reason(&answer), refusal, "{program} {method} {path}");
            let problem = answer.problem();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("people"), "{program} {path}: {detail}");
        }
    }
}

#[test]
fn nothing_privileged_is_done_on_an_old_second_factor_when_a_rule_says_so() {
    let old = Proof::SecondFactor {
        at: NOW - tradepost_gateway::domain::access::STEP_UP_AGE_MAX * 2,
    };
    for route in routes::ROUTES.iter().filter(|route| route.rule.step_up) {
        let stale = Caller {
            proof: old,
            ..caller(Role::Owner)
        };
        let decided = decide(
            &stale,
            &route.rule,
            Moment {
                now: NOW,
                has_factor: false,
            },
        );
        assert!(decided.is_err(), "{}", route.name);
    }
}

#[tokio::test]
async fn services_are_asked_for_the_callers_tenant() {
    let stage = Stage::new().await;
    let other = TenantId::new();
    stage.doubles.knows(
        "other",
        Caller {
            tenant: Some(other),
            ..caller(Role::Owner)
        },
    );

    get_as(&stage, "other", "/v1/orders/o").await;

    assert_eq!(stage.seen_by("order").tenant, Some(other));
}
