//! The table itself, and the words that it is written in.

use super::super::rights::Permission;
use super::{Audit, Route, Rule, Verb, Who};

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

/// What is sent without end, and changes nothing but figures or gives nobody more than they have.
const fn push(name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(Verb::Post, name, template, rule.audit(Audit::Hourly))
}

const fn put(name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(Verb::Put, name, template, rule.audit(Audit::Around))
}

const fn patch(name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(Verb::Patch, name, template, rule.audit(Audit::Around))
}

const fn delete(name: &'static str, template: &'static str, rule: Rule) -> Route {
    route(Verb::Delete, name, template, rule.audit(Audit::Around))
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

const fn needs_one(permissions: &'static [Permission]) -> Rule {
    Rule::of(Who::NeedsOne(permissions))
}

/// Sums of the caller's tenant, or of all tenants of a plan: the handler looks which are asked for.
const fn sums() -> Rule {
    needs_one(&[Permission::AnalyticsRead, Permission::AnalyticsReadAny])
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
/// What tells people something costs as much as this many reads, one of them or 1,000.
const TELLING: u32 = 5;

/// A ticket costs as much as this many reads.
const TICKET: u32 = 5;

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
        // what happens, as it happens and afterwards
        get(
            "open_notifications",
            "/v1/notifications/ws",
            needs(P::NotificationsRead).own().upgrade().ticket(),
        ),
        get(
            "stream_notifications",
            "/v1/notifications/sse",
            needs(P::NotificationsRead).own().ticket(),
        ),
        push(
            "create_notification_ticket",
            "/v1/notifications/tickets",
            needs(P::NotificationsRead).cost(TICKET).own(),
        ),
        get(
            "list_notifications",
            "/v1/notifications",
            needs(P::NotificationsRead).cost(LIST).own(),
        ),
        get(
            "get_unread_notifications",
            "/v1/notifications/unread",
            needs(P::NotificationsRead).own(),
        ),
        push(
            "mark_notifications_read",
            "/v1/notifications/read",
            needs(P::NotificationsRead).own(),
        ),
        post(
            "send_notification",
            "/v1/notifications",
            needs(P::NotificationsSend).cost(TELLING),
        ),
        get(
            "list_notification_groups",
            "/v1/notification-groups",
            needs_one(&[P::NotificationsRead, P::NotificationsManage])
                .cost(LIST)
                .own(),
        ),
        put(
            "put_notification_group",
            "/v1/notification-groups/{group_id}",
            needs(P::NotificationsManage),
        ),
        post(
            "broadcast_notification",
            "/v1/notification-groups/{group_id}/notifications",
            needs(P::NotificationsSend).cost(TELLING),
        ),
        get(
            "list_notification_group_members",
            "/v1/notification-groups/{group_id}/members",
            needs(P::NotificationsManage).cost(LIST),
        ),
        put(
            "join_notification_group",
            "/v1/notification-groups/{group_id}/members/{user_id}",
            needs(P::NotificationsManage),
        ),
        delete(
            "leave_notification_group",
            "/v1/notification-groups/{group_id}/members/{user_id}",
            needs(P::NotificationsManage),
        ),
        // who is connected
        get(
            "get_presence",
            "/v1/presence",
            needs(P::NotificationsRead).cost(LIST).own(),
        ),
        get(
            "get_notification_group_presence",
            "/v1/notification-groups/{group_id}/presence",
            needs(P::NotificationsReadAny).cost(LIST),
        ),
        // how people want to be told, and where they read e-mail: users of the notification service,
        // who may be no users of ours
        get(
            "get_notification_preferences",
            "/v1/notifications/preferences",
            needs(P::NotificationsRead).own(),
        ),
        put(
            "put_notification_preferences",
            "/v1/notifications/preferences",
            needs(P::NotificationsRead).own(),
        ),
        get(
            "get_recipient_preferences",
            "/v1/notification-recipients/{user_id}/preferences",
            needs(P::NotificationsReadAny),
        ),
        put(
            "put_recipient_preferences",
            "/v1/notification-recipients/{user_id}/preferences",
            needs(P::NotificationsManage),
        ),
        get(
            "get_recipient_email_address",
            "/v1/notification-recipients/{user_id}/email-address",
            needs(P::NotificationsManage),
        ),
        put(
            "put_recipient_email_address",
            "/v1/notification-recipients/{user_id}/email-address",
            needs(P::NotificationsManage),
        ),
        delete(
            "remove_recipient_email_address",
            "/v1/notification-recipients/{user_id}/email-address",
            needs(P::NotificationsManage),
        ),
        get(
            "list_recipient_emails",
            "/v1/notification-recipients/{user_id}/emails",
            needs(P::NotificationsManage).cost(LIST),
        ),
        post(
            "resend_email",
            "/v1/emails/{email_id}/resend",
            needs(P::NotificationsManage).cost(TELLING),
        ),
        // where a tenant's own systems are told the same
        post(
            "create_webhook_endpoint",
            "/v1/webhook-endpoints",
            needs(P::NotificationsManage),
        ),
        get(
            "list_webhook_endpoints",
            "/v1/webhook-endpoints",
            needs(P::NotificationsManage).cost(LIST),
        ),
        get(
            "get_webhook_endpoint",
            "/v1/webhook-endpoints/{endpoint_id}",
            needs(P::NotificationsManage),
        ),
        patch(
            "change_webhook_endpoint",
            "/v1/webhook-endpoints/{endpoint_id}",
            needs(P::NotificationsManage),
        ),
        delete(
            "remove_webhook_endpoint",
            "/v1/webhook-endpoints/{endpoint_id}",
            needs(P::NotificationsManage),
        ),
        post(
            "rotate_webhook_secret",
            "/v1/webhook-endpoints/{endpoint_id}/secret",
            needs(P::NotificationsManage),
        ),
        post(
            "test_webhook_endpoint",
            "/v1/webhook-endpoints/{endpoint_id}/test",
            needs(P::NotificationsManage).cost(TELLING),
        ),
        get(
            "list_webhook_deliveries",
            "/v1/webhook-endpoints/{endpoint_id}/deliveries",
            needs(P::NotificationsManage).cost(LIST),
        ),
        post(
            "resend_webhook_delivery",
            "/v1/webhook-deliveries/{delivery_id}/resend",
            needs(P::NotificationsManage).cost(TELLING),
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
        get("query_events", "/v1/analytics/events", sums().cost(LIST)),
        get(
            "list_top_event_types",
            "/v1/analytics/top",
            sums().cost(LIST),
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
        // a page that shows notifications
        get("show_demo", "/demo", public()),
        get("show_demo", "/demo/demo.css", public()),
        get("show_demo", "/demo/demo.js", public()),
        get("show_demo", "/demo/client.js", public()),
        get("show_demo", "/demo/events.js", public()),
        get("show_demo", "/demo/way.js", public()),
    ]
};
