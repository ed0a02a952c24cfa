//! Every table keeps the tenants apart.

use tradepost_testkit::assert_tenancy;

use crate::stage::migrated;

/// Who logs in, what they show and what is revoked comes before any tenant is known; the rest are
/// indexes of the sweeps and polls over all tenants, and the function that makes partitions.
const ACROSS_TENANTS: &[&str] = &[
    "users",
    "sessions",
    "refresh_tokens",
    "public.refresh_tokens constraint refresh_tokens_session_fk",
    "signing_keys",
    "revocations",
    "totp",
    "recovery_codes",
    "api_keys_id_unique",
    "oauth_clients_id_unique",
    "authorization_codes_expired",
    "connection_tickets_hash_unique",
    "connection_tickets_expired",
    "tenants_changed",
    "memberships_by_user",
    "audit_prepare",
];

#[tokio::test]
async fn every_table_is_closed_to_other_tenants() {
    assert_tenancy(&migrated().await, ACROSS_TENANTS).await;
}
