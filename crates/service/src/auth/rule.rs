//! What a method asks for. A method without a rule stays shut.

use std::collections::HashMap;

/// The right that opens one method, or several of which each does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    method: &'static str,
    right: &'static str,
    others: &'static [&'static str],
    pub(super) of_tenant: bool,
}

impl Rule {
    /// A method about the things of a tenant: the token must name one.
    #[must_use]
    pub const fn of_tenant(method: &'static str, right: &'static str) -> Self {
        Self {
            method,
            right,
            others: &[],
            of_tenant: true,
        }
    }

    /// A method that is about no tenant, or finds out itself about which.
    #[must_use]
    pub const fn of_platform(method: &'static str, right: &'static str) -> Self {
        Self {
            method,
            right,
            others: &[],
            of_tenant: false,
        }
    }

    /// The same, which each of these rights opens as well. For a method that does less for who has only
    /// one of them: it then looks itself, by [`crate::RequestContext::may`].
    #[must_use]
    pub const fn or(self, others: &'static [&'static str]) -> Self {
        Self { others, ..self }
    }

    /// The method's name.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        self.method
    }

    /// The right that opens it; of several, the first.
    #[must_use]
    pub const fn right(&self) -> &'static str {
        self.right
    }

    /// The rights of which each opens it.
    pub fn rights(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.right).chain(self.others.iter().copied())
    }

    pub(crate) fn path(&self, service: &str) -> String {
        format!("/{service}/{}", self.method)
    }
}

/// The rules by path: `/package.Service/Method`.
pub(crate) type Rules = HashMap<String, Rule>;

/// Fails unless the methods of these services and the rules are the same.
pub(crate) fn check<'path>(
    services: &[&'static str],
    known: impl IntoIterator<Item = &'path String>,
    rules: &Rules,
) -> anyhow::Result<()> {
    let ours = |path: &str| {
        services
            .iter()
            .any(|name| path.trim_start_matches('/').split('/').next() == Some(name))
    };
    let known: Vec<&String> = known.into_iter().filter(|path| ours(path)).collect();
    let mut shut: Vec<&str> = known
        .iter()
        .filter(|path| !rules.contains_key(**path))
        .map(|path| path.as_str())
        .collect();
    shut.sort_unstable();
    if !shut.is_empty() {
        anyhow::bail!("no rule says who may call {}", shut.join(", "));
    }
    let mut idle: Vec<&str> = rules
        .keys()
        .filter(|path| !known.is_empty() && !known.contains(path))
        .map(String::as_str)
        .collect();
    idle.sort_unstable();
    if !idle.is_empty() {
        anyhow::bail!("there is a rule but no method {}", idle.join(", "));
    }
    Ok(())
}
