//! Permissions, the roles that bundle them, and sets of them.
//!
//! Rights only ever shrink on their way to a call: what the role allows in its tenant, of that what
//! the token's scopes allow, of that what the key's scopes allow (notes of the area: deny by
//! default).

use std::fmt;
use std::str::FromStr;

/// Why a text names no permission or role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not known")]
pub struct Unknown(pub String);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The text outside.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl FromStr for $name {
            type Err = Unknown;

            fn from_str(text: &str) -> Result<Self, Unknown> {
                match text { $($text => Ok(Self::$variant),)+ other => Err(Unknown(other.to_owned())) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// One thing that may be done: `resource:action`.
    Permission {
        /// Place orders.
        OrdersPlace = "orders:place",
        /// Read orders and their timelines.
        OrdersRead = "orders:read",
        /// Cancel orders.
        OrdersCancel = "orders:cancel",
        /// Give lines an agreed unit price instead of the catalogue's.
        OrdersPrice = "orders:price",
        /// Drive sagas that need attention.
        OrdersOperate = "orders:operate",
        /// Read the catalogue.
        ItemsRead = "items:read",
        /// Change the catalogue.
        ItemsWrite = "items:write",
        /// Record stock movements.
        InventoryAdjust = "inventory:adjust",
        /// Read payments.
        PaymentsRead = "payments:read",
        /// Give money back.
        PaymentsRefund = "payments:refund",
        /// Read shipments.
        ShipmentsRead = "shipments:read",
        /// Read users and their roles.
        UsersRead = "users:read",
        /// Invite users, change their roles, remove them.
        UsersManage = "users:manage",
        /// Read API keys and OAuth clients, without their secrets.
        KeysRead = "keys:read",
        /// Make, rotate and revoke API keys and OAuth clients.
        KeysManage = "keys:manage",
        /// Read the audit trail.
        AuditRead = "audit:read",
        /// Ask why a call was denied.
        AccessExplain = "access:explain",
        /// Read one's own notifications, as they come and afterwards.
        NotificationsRead = "notifications:read",
        /// Read those of others in the tenant.
        NotificationsReadAny = "notifications:read_any",
        /// Tell people and groups of the tenant something.
        NotificationsSend = "notifications:send",
        /// Make groups of people, and say who is in them.
        NotificationsManage = "notifications:manage",
        /// Send events to be counted and kept.
        EventsWrite = "events:write",
        /// Read what happens now: the live aggregates of the tenant's events.
        MetricsRead = "metrics:read",
        /// Read the tenant's events and their sums.
        AnalyticsRead = "analytics:read",
        /// Platform operators: read sums of all tenants.
        AnalyticsReadAny = "analytics:read_any",
        /// Read the tenant's plan and features.
        TenantRead = "tenant:read",
        /// Platform operators: create, suspend and change tenants.
        TenantsManage = "tenants:manage",
    }
}

words! {
    /// What a member is in a tenant; `operator` runs the platform and is a member of none.
    Role {
        /// Runs the platform: tenants, not their orders.
        Operator = "operator",
        /// All there is in the tenant, owners among it.
        Owner = "owner",
        /// All there is in the tenant, but no owners.
        Admin = "admin",
        /// Runs the shop: orders, items, stock, refunds.
        Manager = "manager",
        /// Helps customers: reads, and cancels orders.
        Support = "support",
        /// Buys, and sees nothing but what is their own.
        Customer = "customer",
        /// A program of the tenant.
        Service = "service",
    }
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Rights(u64);

impl Rights {
    /// Nothing is allowed.
    pub const NONE: Self = Self(0);

    /// These and no others.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut rest = permissions;
        while let [first, others @ ..] = rest {
            bits |= 1 << (*first as u64);
            rest = others;
        }
        Self(bits)
    }

    /// Whether `permission` is among them.
    #[must_use]
    pub const fn contain(self, permission: Permission) -> bool {
        self.0 & (1 << (permission as u64)) != 0
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether `self` allows nothing that `other` does not.
    #[must_use]
    pub const fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The permissions, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .iter()
            .copied()
            .filter(move |permission| self.contain(*permission))
    }
}

impl FromIterator<Permission> for Rights {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions
            .into_iter()
            .fold(Self::NONE, |all, next| Self(all.0 | Self::of(&[next]).0))
    }
}

/// As a scope (RFC 6749, section 3.3): permissions with a space between two.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, permission) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(permission.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for Rights {
    type Err = Unknown;

    fn from_str(scope: &str) -> Result<Self, Unknown> {
        scope.split_ascii_whitespace().map(str::parse).collect()
    }
}

/// Whose things a role reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Everything of the tenant.
    Tenant,
    /// Only what is the caller's own.
    Own,
}

impl Role {
    /// What the role allows.
    #[must_use]
    pub const fn rights(self) -> Rights {
        match self {
            Self::Operator => OPERATOR,
            Self::Owner | Self::Admin => ADMIN,
            Self::Manager => MANAGER,
            Self::Support => SUPPORT,
            Self::Customer => CUSTOMER,
            Self::Service => SERVICE,
        }
    }

    /// Whose things the role reaches.
    #[must_use]
    pub const fn reach(self) -> Reach {
        match self {
            Self::Customer => Reach::Own,
            Self::Operator
            | Self::Owner
            | Self::Admin
            | Self::Manager
            | Self::Support
            | Self::Service => Reach::Tenant,
        }
    }
}

// What the roles allow.

const OPERATOR: Rights = Rights::of(&[
    Permission::TenantsManage,
    Permission::AuditRead,
    Permission::AccessExplain,
    Permission::AnalyticsReadAny,
]);

const ADMIN: Rights = Rights::of(&[
    Permission::OrdersPlace,
    Permission::OrdersRead,
    Permission::OrdersCancel,
    Permission::OrdersPrice,
    Permission::OrdersOperate,
    Permission::ItemsRead,
    Permission::ItemsWrite,
    Permission::InventoryAdjust,
    Permission::PaymentsRead,
    Permission::PaymentsRefund,
    Permission::ShipmentsRead,
    Permission::UsersRead,
    Permission::UsersManage,
    Permission::KeysRead,
    Permission::KeysManage,
    Permission::AuditRead,
    Permission::AccessExplain,
    Permission::NotificationsRead,
    Permission::NotificationsReadAny,
    Permission::NotificationsSend,
    Permission::NotificationsManage,
    Permission::EventsWrite,
    Permission::MetricsRead,
    Permission::AnalyticsRead,
    Permission::TenantRead,
]);

const MANAGER: Rights = Rights::of(&[
    Permission::OrdersPlace,
    Permission::OrdersRead,
    Permission::OrdersCancel,
    Permission::OrdersPrice,
    Permission::ItemsRead,
    Permission::ItemsWrite,
    Permission::InventoryAdjust,
    Permission::PaymentsRead,
    Permission::PaymentsRefund,
    Permission::ShipmentsRead,
    Permission::UsersRead,
    Permission::NotificationsRead,
    Permission::NotificationsSend,
    Permission::NotificationsManage,
    Permission::EventsWrite,
    Permission::MetricsRead,
    Permission::AnalyticsRead,
    Permission::TenantRead,
]);

const SUPPORT: Rights = Rights::of(&[
    Permission::OrdersRead,
    Permission::OrdersCancel,
    Permission::ItemsRead,
    Permission::PaymentsRead,
    Permission::ShipmentsRead,
    Permission::UsersRead,
    Permission::NotificationsRead,
    Permission::NotificationsSend,
    Permission::MetricsRead,
    Permission::AnalyticsRead,
    Permission::TenantRead,
]);

const CUSTOMER: Rights = Rights::of(&[
    Permission::OrdersPlace,
    Permission::OrdersRead,
    Permission::OrdersCancel,
    Permission::ItemsRead,
    Permission::NotificationsRead,
]);

const SERVICE: Rights = Rights::of(&[
    Permission::OrdersPlace,
    Permission::OrdersRead,
    Permission::OrdersCancel,
    Permission::OrdersPrice,
    Permission::ItemsRead,
    Permission::ItemsWrite,
    Permission::InventoryAdjust,
    Permission::PaymentsRead,
    Permission::PaymentsRefund,
    Permission::ShipmentsRead,
    Permission::NotificationsSend,
    Permission::NotificationsManage,
    Permission::EventsWrite,
    Permission::MetricsRead,
    Permission::AnalyticsRead,
    Permission::TenantRead,
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_and_its_text_are_the_same() {
        for role in Role::ALL {
            let text = role.rights().to_string();
            assert_eq!(text.parse(), Ok(role.rights()), "{role}");
        }
        assert_eq!(
            "orders:fly".parse::<Rights>(),
            Err(Unknown("orders:fly".to_owned()))
        );
    }

    #[test]
    fn only_operators_manage_tenants_and_they_see_no_orders() {
        for role in Role::ALL {
            let manages = role.rights().contain(Permission::TenantsManage);
            assert_eq!(manages, *role == Role::Operator, "{role}");
        }
        assert!(!Role::Operator.rights().contain(Permission::OrdersRead));
    }

    #[test]
    fn only_operators_see_sums_of_all_tenants_and_they_see_no_events() {
        for role in Role::ALL {
            let sees_all = role.rights().contain(Permission::AnalyticsReadAny);
            assert_eq!(sees_all, *role == Role::Operator, "{role}");
        }
        assert!(!Role::Operator.rights().contain(Permission::AnalyticsRead));
    }

    #[test]
    fn what_both_allow_is_within_each() {
        for one in Role::ALL {
            for other in Role::ALL {
                let both = one.rights().and(other.rights());
                assert!(both.within(one.rights()) && both.within(other.rights()));
            }
        }
    }
}
