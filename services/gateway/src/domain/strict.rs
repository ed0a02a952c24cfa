//! How often somebody may try what guards an account. It does not count; `gcra` does.
//!
//! Several quotas at once make a back-off of steps: some tries in a row, then one now and then,
//! then a few a day. Nobody is ever locked out for good, and whoever proves to be right starts
//! anew. What counts for an account wherever its callers are is wider than what counts for one
//! address: else a stranger could keep an owner out.

use super::gcra::{Period, Quota};

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strict {
    /// To log in with a password; the account is the e-mail address.
    Login,
    /// To refresh; the account is the refresh token or its session.
    Refresh,
    /// To give a code of a second factor, or a recovery code; the account is the user.
    Totp,
    /// To change a password or a second factor; the account is the user.
    PasswordChange,
    /// To get a token with a client's secret; the account is the client.
    ClientSecret,
}

/// What a quota is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// An address, whatever accounts it tries.
    Address,
    /// An account, from wherever it is tried.
    Account,
    /// An account as tried from one address.
    Both,
}

impl Scope {
    /// As it stands in keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
            Self::Both => "both",
        }
    }
}

const fn quota(limit: u32, period: Period) -> Quota {
    Quota::new(limit, period)
}

/// What has to admit a try: one quota, and the others.
pub type Quotas = ((Scope, Quota), &'static [(Scope, Quota)]);

/// A person tries five times, and is not stopped by what others try for them.
const LOGIN: Quotas = (
    (Scope::Both, quota(5, Period::Minute)),
    &[
        (Scope::Both, quota(20, Period::Hour)),
        (Scope::Both, quota(60, Period::Day)),
        (Scope::Account, quota(30, Period::Minute)),
        (Scope::Account, quota(200, Period::Hour)),
        (Scope::Account, quota(500, Period::Day)),
        (Scope::Address, quota(60, Period::Minute)),
        (Scope::Address, quota(600, Period::Hour)),
    ],
);

/// A refresh token cannot be guessed: this spares the database.
const REFRESH: Quotas = (
    (Scope::Account, quota(100, Period::Minute)),
    &[(Scope::Address, quota(600, Period::Minute))],
);

/// Six digits can be guessed: at 50 tries a day, three codes being right, it takes ten years.
const CODE: Quotas = (
    (Scope::Account, quota(5, Period::Minute)),
    &[
        (Scope::Account, quota(20, Period::Hour)),
        (Scope::Account, quota(50, Period::Day)),
        (Scope::Address, quota(60, Period::Minute)),
        (Scope::Address, quota(600, Period::Hour)),
    ],
);

/// Nor can a client's secret be guessed; and many users may come through one client.
const CLIENT_SECRET: Quotas = (
    (Scope::Account, quota(600, Period::Minute)),
    &[(Scope::Address, quota(600, Period::Minute))],
);

impl Strict {
    /// All there are.
    pub const ALL: &'static [Self] = &[
        Self::Login,
        Self::Refresh,
        Self::Totp,
        Self::PasswordChange,
        Self::ClientSecret,
    ];

    /// As it stands in headers, keys and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::Totp => "totp",
            Self::PasswordChange => "password",
            Self::ClientSecret => "client_secret",
        }
    }

    /// What all have to admit a try.
    #[must_use]
    pub const fn quotas(self) -> Quotas {
        match self {
            Self::Login => LOGIN,
            Self::Refresh => REFRESH,
            Self::Totp | Self::PasswordChange => CODE,
            Self::ClientSecret => CLIENT_SECRET,
        }
    }
}
