//! The description of the API: it is whole, sound, and true.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::Value;

use crate::stage::{Stage, keyed};

/// Every route of the contract: operation, method, path.
const ROUTES: [(&str, &str, &str); 99] = [
    ("list_audit_entries", "get", "/v1/audit"),
    ("export_audit", "get", "/v1/audit/export"),
    ("list_api_keys", "get", "/v1/api-keys"),
    ("create_api_key", "post", "/v1/api-keys"),
    ("get_api_key", "get", "/v1/api-keys/{key_id}"),
    ("revoke_api_key", "delete", "/v1/api-keys/{key_id}"),
    ("rotate_api_key", "post", "/v1/api-keys/{key_id}/rotate"),
    ("list_oauth_clients", "get", "/v1/oauth/clients"),
    ("create_oauth_client", "post", "/v1/oauth/clients"),
    ("get_oauth_client", "get", "/v1/oauth/clients/{client_id}"),
    (
        "remove_oauth_client",
        "delete",
        "/v1/oauth/clients/{client_id}",
    ),
    ("enrol_totp", "post", "/v1/auth/mfa/totp"),
    ("confirm_totp", "post", "/v1/auth/mfa/totp/confirm"),
    ("remove_totp", "delete", "/v1/auth/mfa/totp"),
    ("step_up", "post", "/v1/auth/mfa/step-up"),
    (
        "replace_recovery_codes",
        "post",
        "/v1/auth/mfa/recovery-codes",
    ),
    ("create_authorization", "post", "/v1/oauth/authorizations"),
    ("authorize", "get", "/oauth/authorize"),
    ("issue_token", "post", "/oauth/token"),
    ("introspect_token", "post", "/oauth/introspect"),
    ("revoke_token", "post", "/oauth/revoke"),
    (
        "get_oauth_metadata",
        "get",
        "/.well-known/oauth-authorization-server",
    ),
    ("place_order", "post", "/v1/orders"),
    ("list_orders", "get", "/v1/orders"),
    ("get_order", "get", "/v1/orders/{order_id}"),
    ("cancel_order", "post", "/v1/orders/{order_id}/cancel"),
    (
        "get_order_timeline",
        "get",
        "/v1/orders/{order_id}/timeline",
    ),
    ("put_item", "put", "/v1/items/{sku}"),
    ("get_item", "get", "/v1/items/{sku}"),
    ("list_items", "get", "/v1/items"),
    (
        "record_stock_movement",
        "post",
        "/v1/items/{sku}/stock-movements",
    ),
    (
        "list_stock_movements",
        "get",
        "/v1/items/{sku}/stock-movements",
    ),
    ("get_payment", "get", "/v1/payments/{payment_id}"),
    ("create_refund", "post", "/v1/payments/{payment_id}/refunds"),
    ("get_shipment", "get", "/v1/shipments/{shipment_id}"),
    ("take_payment_webhook", "post", "/v1/webhooks/payments"),
    ("open_notifications", "get", "/v1/notifications/ws"),
    ("stream_notifications", "get", "/v1/notifications/sse"),
    (
        "create_notification_ticket",
        "post",
        "/v1/notifications/tickets",
    ),
    ("list_notifications", "get", "/v1/notifications"),
    ("send_notification", "post", "/v1/notifications"),
    (
        "get_unread_notifications",
        "get",
        "/v1/notifications/unread",
    ),
    ("mark_notifications_read", "post", "/v1/notifications/read"),
    ("list_notification_groups", "get", "/v1/notification-groups"),
    (
        "put_notification_group",
        "put",
        "/v1/notification-groups/{group_id}",
    ),
    (
        "broadcast_notification",
        "post",
        "/v1/notification-groups/{group_id}/notifications",
    ),
    (
        "list_notification_group_members",
        "get",
        "/v1/notification-groups/{group_id}/members",
    ),
    (
        "join_notification_group",
        "put",
        "/v1/notification-groups/{group_id}/members/{user_id}",
    ),
    (
        "leave_notification_group",
        "delete",
        "/v1/notification-groups/{group_id}/members/{user_id}",
    ),
    ("get_presence", "get", "/v1/presence"),
    (
        "get_notification_group_presence",
        "get",
        "/v1/notification-groups/{group_id}/presence",
    ),
    (
        "get_notification_preferences",
        "get",
        "/v1/notifications/preferences",
    ),
    (
        "put_notification_preferences",
        "put",
        "/v1/notifications/preferences",
    ),
    (
        "get_recipient_preferences",
        "get",
        "/v1/notification-recipients/{user_id}/preferences",
    ),
    (
        "put_recipient_preferences",
        "put",
        "/v1/notification-recipients/{user_id}/preferences",
    ),
    (
        "get_recipient_email_address",
        "get",
        "/v1/notification-recipients/{user_id}/email-address",
    ),
    (
        "put_recipient_email_address",
        "put",
        "/v1/notification-recipients/{user_id}/email-address",
    ),
    (
        "remove_recipient_email_address",
        "delete",
        "/v1/notification-recipients/{user_id}/email-address",
    ),
    (
        "list_recipient_emails",
        "get",
        "/v1/notification-recipients/{user_id}/emails",
    ),
    ("resend_email", "post", "/v1/emails/{email_id}/resend"),
    ("create_webhook_endpoint", "post", "/v1/webhook-endpoints"),
    ("list_webhook_endpoints", "get", "/v1/webhook-endpoints"),
    (
        "get_webhook_endpoint",
        "get",
        "/v1/webhook-endpoints/{endpoint_id}",
    ),
    (
        "change_webhook_endpoint",
        "patch",
        "/v1/webhook-endpoints/{endpoint_id}",
    ),
    (
        "remove_webhook_endpoint",
        "delete",
        "/v1/webhook-endpoints/{endpoint_id}",
    ),
    (
        "rotate_webhook_secret",
        "post",
        "/v1/webhook-endpoints/{endpoint_id}/secret",
    ),
    (
        "test_webhook_endpoint",
        "post",
        "/v1/webhook-endpoints/{endpoint_id}/test",
    ),
    (
        "list_webhook_deliveries",
        "get",
        "/v1/webhook-endpoints/{endpoint_id}/deliveries",
    ),
    (
        "resend_webhook_delivery",
        "post",
        "/v1/webhook-deliveries/{delivery_id}/resend",
    ),
    ("ingest_events", "post", "/v1/events"),
    ("list_events", "get", "/v1/events"),
    ("get_live_metrics", "get", "/v1/metrics/live"),
    ("query_events", "get", "/v1/analytics/events"),
    ("list_top_event_types", "get", "/v1/analytics/top"),
    ("report_daily", "get", "/v1/analytics/daily"),
    ("export_events", "get", "/v1/analytics/export"),
    ("explain_access", "get", "/v1/access/explain"),
    ("log_in", "post", "/v1/auth/login"),
    ("refresh", "post", "/v1/auth/refresh"),
    ("log_out", "post", "/v1/auth/logout"),
    ("get_me", "get", "/v1/auth/me"),
    ("set_password", "post", "/v1/auth/password"),
    ("list_sessions", "get", "/v1/auth/sessions"),
    ("revoke_sessions", "delete", "/v1/auth/sessions"),
    ("revoke_session", "delete", "/v1/auth/sessions/{session_id}"),
    ("get_jwks", "get", "/.well-known/jwks.json"),
    ("create_user", "post", "/v1/users"),
    ("list_users", "get", "/v1/users"),
    ("get_user", "get", "/v1/users/{user_id}"),
    ("remove_user", "delete", "/v1/users/{user_id}"),
    ("set_user_role", "put", "/v1/users/{user_id}/role"),
    ("revoke_user", "post", "/v1/users/{user_id}/revoke"),
    ("create_tenant", "post", "/v1/tenants"),
    ("list_tenants", "get", "/v1/tenants"),
    ("get_tenant", "get", "/v1/tenants/{tenant_id}"),
    ("change_tenant", "patch", "/v1/tenants/{tenant_id}"),
    ("suspend_tenant", "post", "/v1/tenants/{tenant_id}/suspend"),
    ("resume_tenant", "post", "/v1/tenants/{tenant_id}/resume"),
    ("revoke_tenant", "post", "/v1/tenants/{tenant_id}/revoke"),
];

/// Ours, not a service's: to do it twice is to do it once, but for what makes a thing.
fn is_own(path: &str) -> bool {
    [
        "/v1/auth/",
        "/v1/users",
        "/v1/tenants",
        "/v1/api-keys",
        "/v1/oauth/",
        "/oauth/",
    ]
    .iter()
    .any(|prefix| path.starts_with(prefix))
}

/// Without a key: the same twice is the same once, or gives something that is good once.
fn is_plain(path: &str) -> bool {
    [
        "/v1/notifications/read",
        "/v1/notifications/tickets",
        "/v1/notification-groups/{group_id}",
        "/v1/notification-groups/{group_id}/members/{user_id}",
        "/v1/notifications/preferences",
        "/v1/notification-recipients/{user_id}/preferences",
        "/v1/notification-recipients/{user_id}/email-address",
        "/v1/webhook-endpoints/{endpoint_id}",
    ]
    .contains(&path)
}

/// What is asked for by the path alone.
fn is_bodiless(method: &str, path: &str) -> bool {
    let verbs = [
        "/logout",
        "/revoke",
        "/suspend",
        "/resume",
        "/mfa/totp",
        "/recovery-codes",
        "/members/{user_id}",
        "/resend",
        "/secret",
        "/test",
    ];
    let is_verb = verbs.iter().any(|verb| path.ends_with(verb));
    matches!(method, "get" | "delete") || (is_verb && path != "/oauth/revoke")
}

fn document() -> Value {
    serde_json::to_value(tradepost_gateway::http::openapi()).unwrap()
}

/// Every operation of the document: method, path, and what it says.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(|(method, operation)| (method.clone(), path.clone(), operation))
    });
    operations.collect()
}

#[test]
fn it_has_every_route_of_the_contract_and_no_other() {
    let document = document();

    let described: BTreeSet<_> = operations(&document)
        .into_iter()
        .map(|(method, path, operation)| {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            (id, method, path)
        })
        .collect();

    let expected = ROUTES.map(|(id, method, path)| (id.into(), method.into(), path.into()));
    assert_eq!(described, BTreeSet::from(expected));
}

#[tokio::test]
async fn every_route_it_has_is_served() {
    let stage = Stage::new().await;
    for (_, method, path) in ROUTES {
        let method: Method = method.to_uppercase().parse().unwrap();
        let answer = stage
            .send(keyed(method, &path.replace(['{', '}'], ""), "{}"))
            .await;
        let missing = [404, 405].contains(&answer.status.as_u16());
        assert!(!missing, "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn it_is_served_with_a_page_that_needs_no_other_host() {
    let stage = Stage::new().await;

    let served = stage.get("/openapi.json").await;
    let entry = stage.get("/docs").await;
    let page = stage.get("/docs/").await;
    let script = stage.get("/docs/swagger-initializer.js").await;
    let bundle = stage.get("/docs/swagger-ui-bundle.js").await;

    assert_eq!(served.header("content-type"), Some("application/json"));
    assert_eq!(served.json(), document());
    assert_eq!(
        (entry.status.as_u16(), entry.header("location")),
        (303, Some("/docs/"))
    );
    let page_text = String::from_utf8_lossy(&page.bytes);
    assert!(page_text.contains("./swagger-ui-bundle.js"), "{page_text}");
    assert!(
        !page_text.contains("//unpkg") && !page_text.contains("//cdn"),
        "{page_text}"
    );
    assert!(String::from_utf8_lossy(&script.bytes).contains("/openapi.json"));
    assert!(bundle.bytes.len() > 100_000);
}

#[test]
fn it_says_version_31_and_refers_to_nothing_that_is_not_there() {
    let document = document();

    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_operation_tells_its_parameters_and_its_answers() {
    let document = document();
    for (method, path, operation) in operations(&document) {
        let place = format!("{method} {path}");
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        let of = |kind: &str| -> BTreeSet<&str> {
            let kind = parameters
                .iter()
                .filter(|parameter| parameter["in"] == kind);
            kind.map(|parameter| parameter["name"].as_str().unwrap())
                .collect()
        };
        let in_path: BTreeSet<_> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        assert_eq!(of("path"), in_path, "{place}");
        assert!(
            !operation["summary"].as_str().unwrap().is_empty(),
            "{place}"
        );
        let is_webhook = path.contains("webhooks");
        let is_keyed = of("header").contains("Idempotency-Key");
        let makes = method == "post"
            && [
                "/v1/users",
                "/v1/tenants",
                "/v1/api-keys",
                "/v1/api-keys/{key_id}/rotate",
                "/v1/oauth/clients",
            ]
            .contains(&path.as_str());
        let wants_key =
            method != "get" && !is_webhook && (makes || !is_own(&path) && !is_plain(&path));
        assert_eq!(is_keyed, wants_key, "{place}");
        assert_eq!(
            operation.get("requestBody").is_some(),
            !is_bodiless(&method, &path),
            "{place}"
        );

        let answers = operation["responses"].as_object().unwrap();
        let is_success = |status: &str| status.starts_with(['2', '3']) || status == "101";
        assert!(answers.keys().any(|status| is_success(status)), "{place}");
        for (status, answer) in answers.iter().filter(|(status, _)| !is_success(status)) {
            let problem = &answer["content"]["application/problem+json"]["schema"]["$ref"];
            let own = &answer["content"]["application/json"]["schema"]["$ref"];
            if path.starts_with("/oauth/") && own == "#/components/schemas/OAuthError" {
                continue;
            }
            assert_eq!(problem, "#/components/schemas/Problem", "{place} {status}");
        }
        assert_eq!(answers.contains_key("422"), is_keyed, "{place}");
    }
}

#[test]
fn what_may_be_left_out_is_told_apart_from_what_is_always_there() {
    let document = document();
    let required = |schema: &str| -> BTreeSet<String> {
        let required = &document["components"]["schemas"][schema]["required"];
        serde_json::from_value(required.clone()).unwrap_or_default()
    };

    assert!(required("Order").contains("order_id"));
    assert!(!required("Order").contains("reject_reason"));
    assert!(!required("Order").contains("lines"));
    assert!(required("NewOrder").contains("lines"));
    assert!(!required("NewOrderLine").contains("agreed_unit_price"));
    assert_eq!(required("Cancellation"), BTreeSet::new());
    let new_order = &document["components"]["schemas"]["NewOrder"];
    assert_eq!(new_order["additionalProperties"], false);
}

/// What the order services bound, as `tests/it/bounds.rs` of each of them finds it: where, and how.
const BOUNDS: [(&str, &str, i64); 27] = [
    ("NewOrder/customer_ref", "minLength", 1),
    ("NewOrder/customer_ref", "maxLength", 100),
    ("NewOrder/currency_code", "maxLength", 3),
    ("NewOrder/lines", "minItems", 1),
    ("NewOrder/lines", "maxItems", 2_000),
    ("NewOrder/payment_method", "maxLength", 255),
    ("NewOrderLine/sku", "maxLength", 64),
    ("NewOrderLine/quantity", "minimum", 1),
    ("NewOrderLine/quantity", "maximum", 1_000_000),
    ("Address/recipient", "maxLength", 200),
    ("Address/lines", "maxItems", 4),
    ("Address/city", "maxLength", 100),
    ("Address/region", "maxLength", 100),
    ("Address/postal_code", "maxLength", 20),
    ("Address/country_code", "maxLength", 2),
    ("Cancellation/note", "maxLength", 200),
    ("NewItem/name", "maxLength", 200),
    ("NewItem/weight_grams", "maximum", 1_000_000),
    ("NewMovement/quantity", "maximum", 1_000_000_000),
    ("NewMovement/reference", "maxLength", 200),
    ("NewRefund/note", "maxLength", 200),
    ("list_orders/state", "maxItems", 20),
    ("list_orders/customer_ref", "maxLength", 100),
    ("list_orders/page_token", "maxLength", 2_048),
    ("list_items/sku_prefix", "maxLength", 64),
    ("list_stock_movements/page_token", "maxLength", 2_048),
    ("put_item/sku", "maxLength", 64),
];

#[test]
fn what_is_bounded_is_told_with_its_bound() {
    let document = document();
    let operations = operations(&document);
    for (place, bound, value) in BOUNDS {
        let (of, name) = place.split_once('/').unwrap();
        let operation = operations
            .iter()
            .find(|(_, _, told)| told["operationId"] == of);
        let schema = match operation {
            Some((_, _, told)) => {
                let mut parameters = told["parameters"].as_array().unwrap().iter();
                let parameter = parameters.find(|parameter| parameter["name"] == name);
                &parameter.unwrap()["schema"]
            }
            None => &document["components"]["schemas"][of]["properties"][name],
        };
        assert_eq!(schema[bound], value, "{place} {bound}: {schema}");
    }
}
