//! What a request is charged to.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::decision::{Decision, Found};
use crate::config::RateLimitsConfig;
use crate::domain::caller::{Caller, Subject};
use crate::domain::gcra::{Period, Quota};
use crate::domain::strict::{Scope, Strict};

/// One bucket that has to admit a request.
pub(super) struct Bucket {
    pub(super) policy: &'static str,
    /// Its name. The part in braces is the same for all buckets of a request: by it a cluster
    /// knows where they are.
    pub(super) key: String,
    pub(super) quota: Quota,
    /// Whether a try that was right empties it.
    pub(super) is_forgivable: bool,
}

/// A request, and all that has to admit it.
pub(super) struct Ask {
    /// As it stands in metrics.
    pub(super) name: &'static str,
    pub(super) cost: u32,
    first: Bucket,
    rest: Vec<Bucket>,
}

impl Found {
    /// A bucket that is counted as the caller was promised.
    pub(super) const fn whole(bucket: &Bucket, backlog_us: u64) -> Self {
        Self {
            policy: bucket.policy,
            quota: bucket.quota,
            counted: bucket.quota,
            backlog_us,
        }
    }
}

impl Ask {
    /// A request of a caller: it counts for them in their tenant, and for the tenant.
    pub(super) fn of_caller(config: &RateLimitsConfig, caller: &Caller, cost: u32) -> Self {
        let bucket = |policy, key, limit| Bucket {
            policy,
            key,
            quota: Quota::new(limit, Period::Minute).times(caller.plan.factor()),
            is_forgivable: false,
        };
        let subject = caller.subject;
        let (name, limit) = match subject {
            Subject::User(_) => ("user", config.user_per_minute),
            Subject::Key(_) => ("key", config.key_per_minute),
            Subject::Client(_) => ("client", config.key_per_minute),
        };
        let mut rest = Vec::new();
        let key = match caller.tenant {
            Some(tenant) => {
                let key = format!("limit:{{{tenant}}}");
                rest.push(bucket("tenant", key, config.tenant_per_minute));
                format!("limit:{{{tenant}}}:{subject}")
            }
            None => format!("limit:{{{subject}}}"),
        };
        Self {
            name,
            cost,
            first: bucket(name, key, limit),
            rest,
        }
    }

    /// A try of what guards an account.
    pub(super) fn of_try(
        config: &RateLimitsConfig,
        kind: Strict,
        address: IpAddr,
        account: &str,
    ) -> Self {
        let name = kind.as_str();
        let (network, account) = (network(address), digest(account));
        let bucket = |(scope, quota): &(Scope, Quota)| {
            let who = match scope {
                Scope::Address => network.to_string(),
                Scope::Account => account.clone(),
                Scope::Both => format!("{account}@{network}"),
            };
            let seconds = quota.period().seconds();
            Bucket {
                policy: name,
                key: format!("limit:{{{name}}}:{}:{seconds}:{who}", scope.as_str()),
                quota: quota.times(config.strict_factor),
                is_forgivable: *scope != Scope::Address,
            }
        };
        let (first, rest) = kind.quotas();
        Self {
            name,
            cost: 1,
            first: bucket(&first),
            rest: rest.iter().map(bucket).collect(),
        }
    }

    pub(super) fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// Decides by how each bucket, in their order, was found.
    pub(super) fn decide(&self, mut found: impl FnMut(&Bucket) -> Found) -> Decision {
        let first = Decision::of(&found(&self.first), self.cost);
        self.rest.iter().fold(first, |closest, bucket| {
            closest.closer(Decision::of(&found(bucket), self.cost))
        })
    }
}

/// What counts as one address: a customer of a provider gets a whole /64 of IPv6.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
    }
}

/// An account as it stands in keys. Case does not tell accounts apart.
fn digest(account: &str) -> String {
    let digest = Sha256::digest(account.trim().to_lowercase().as_bytes());
    hex::encode(digest.get(..16).unwrap_or(&digest))
}
