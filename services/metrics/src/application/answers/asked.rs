//! What was asked, as a name under which its answer is kept.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::ports::{Days, Scope, Version};

/// Changes with whatever gives the same question another answer than before, such as the form of
/// answers or how they are rounded: nodes of both kinds run beside each other.
const FORMAT: u8 = 1;
/// Bytes of the checksum of a kept answer.
const CHECK_BYTES: usize = 16;

/// A question whose answer can be kept.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub(super) scope: Scope,
    pub(super) days: Days,
    pub(super) hash: [u8; 32],
}

impl Asked {
    /// A question about days of a scope. `question` is the same for the same question only, and says
    /// all that the answer depends on besides the figures of those days.
    #[must_use]
    pub fn new(scope: Scope, days: Days, question: &str) -> Self {
        let days_text = format!("{}\n{}", days.first, days.last);
        let hash = Sha256::new()
            .chain_update(format!("{FORMAT}\n{scope}\n{days_text}\n"))
            .chain_update(question)
            .finalize();
        let hash = hash.into();
        Self { scope, days, hash }
    }

    /// What its answer of a version is called. Whose it is stands in it twice: to be read, and in the
    /// hash. What was asked does not.
    pub(super) fn name(&self, version: &Version) -> String {
        let mut name = format!("metrics:answer:{FORMAT}:{}:", self.scope);
        for byte in self.hash {
            // A string takes all that is written to it.
            let _ = write!(name, "{byte:02x}");
        }
        let _ = write!(name, ":{}", version.as_str());
        name
    }
}

/// An answer as it is kept outside: it says by its checksum what it is the answer to.
pub(super) fn seal(name: &str, answer: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(CHECK_BYTES + answer.len());
    sealed.extend_from_slice(&check(name, answer));
    sealed.extend_from_slice(answer);
    sealed
}

/// The answer, unless it is damaged or another's.
pub(super) fn unseal<'a>(name: &str, sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (found, answer) = sealed.split_at_checked(CHECK_BYTES)?;
    (found == check(name, answer)).then_some(answer)
}

fn check(name: &str, answer: &[u8]) -> [u8; CHECK_BYTES] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([0])
        .chain_update(answer)
        .finalize();
    let mut check = [0; CHECK_BYTES];
    for (to, from) in check.iter_mut().zip(digest) {
        *to = from;
    }
    check
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::date;
    use tradepost_types::TenantId;
    use uuid::Uuid;

    use super::*;

    const DAYS: Days = Days {
        first: date!(2026 - 01 - 01),
        last: date!(2026 - 01 - 31),
    };

    fn version(changes: i64) -> Version {
        Version::new(Uuid::nil(), "00000001", changes)
    }

    #[test]
    fn tenants_questions_days_and_versions_have_names_of_their_own() {
        let tenants = [TenantId::new(), TenantId::new()].map(Scope::Tenant);
        let shorter = Days {
            last: date!(2026 - 01 - 30),
            ..DAYS
        };
        let mut names = Vec::new();
        for scope in [tenants[0], tenants[1], Scope::Platform] {
            for days in [DAYS, shorter] {
                for question in ["a", "b"] {
                    for changes in [1, 2] {
                        let asked = Asked::new(scope, days, question);
                        names.push(asked.name(&version(changes)));
                    }
                }
            }
        }

        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        let of_first = format!(":{}:", tenants[0]);
        assert_eq!(
            names.iter().filter(|name| name.contains(&of_first)).count(),
            8
        );
    }

    proptest! {
        #[test]
        fn only_what_was_sealed_under_the_name_is_an_answer(
            answer in proptest::collection::vec(any::<u8>(), 0..64),
            garbage in proptest::collection::vec(any::<u8>(), 0..64),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let sealed = seal("a", &answer);
            let mut damaged = sealed.clone();
            damaged[at.index(sealed.len())] ^= 1 << bit;

            prop_assert_eq!(unseal("a", &sealed), Some(answer.as_slice()));
            prop_assert_eq!(unseal("b", &sealed), None);
            prop_assert_eq!(unseal("a", &damaged), None);
            prop_assert_eq!(unseal("a", &sealed[..at.index(sealed.len())]), None);
            prop_assert_eq!(unseal("a", &garbage), None);
        }
    }
}
