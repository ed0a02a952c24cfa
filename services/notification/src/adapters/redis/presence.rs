//! Who is connected to which node.
//!
//! Each node has hashes of its own, one of [`PARTS`] for each part of the people, whose fields are a
//! tenant and a user. They expire unless the node refreshes them, so that a node that dies takes its
//! people with it, and a refresh costs as many commands as there are parts, whatever the number of
//! people. One task writes: who came and went is gathered and written as it is then.

mod board;
mod teller;

use std::hash::Hasher;

use tradepost_notifications::stream::UserName;
use tradepost_types::TenantId;
use uuid::Uuid;

use crate::ports::{Present, Reader};

pub use board::RedisBoard;
pub(super) use teller::Teller;

/// Into how many hashes the people of a node are cut.
const PARTS: usize = 64;
/// All nodes, by when they were refreshed last (milliseconds since 1970).
const NODES: &str = "notification:present:nodes";
/// Since when there is a list of nodes: before all of them have refreshed, some are missing.
const BORN: &str = "notification:present:born";
/// A field that each hash has, so that an empty one is not taken for a lost one.
const MARK: &str = "";

/// The hash of a part of a node's people.
fn hash(node: &Uuid, part: usize) -> String {
    format!("notification:present:{}:{part}", node.simple())
}

/// The part that a person is in: the same on all nodes.
fn part(tenant: TenantId, user: &UserName) -> usize {
    let mut hasher = Fnv::default();
    hasher.write(tenant.as_uuid().as_bytes());
    hasher.write(user.as_str().as_bytes());
    usize::try_from(hasher.finish() % PARTS as u64).unwrap_or_default()
}

fn field(tenant: TenantId, user: &UserName) -> String {
    format!("{}:{}", tenant.as_uuid().simple(), user.as_str())
}

fn field_of(reader: &Reader) -> String {
    field(reader.tenant, &reader.user)
}

fn value(present: Present) -> String {
    format!("{} {}", present.connections, present.since_ms)
}

fn present(value: &str) -> Option<Present> {
    let (connections, since_ms) = value.split_once(' ')?;
    Some(Present {
        connections: connections.parse().ok()?,
        since_ms: since_ms.parse().ok()?,
    })
}

/// FNV-1a: the hasher of the standard library may be another in another version.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_written() {
        let here = Present {
            connections: 3,
            since_ms: 1_780_000_000_000,
        };

        assert_eq!(present(&value(here)), Some(here));
        for text in ["", "3", "x 1", "1 x", "-1 5"] {
            assert_eq!(present(text), None, "{text}");
        }
    }

    // Nodes of all versions must look where the others write.
    #[test]
    fn a_person_is_in_the_same_part_for_ever() {
        let tenant = TenantId::from_uuid(Uuid::from_u128(7));
        let parts = ["ada", "bob", "eve"].map(|name| part(tenant, &name.parse().unwrap()));

        assert_eq!(parts, [60, 11, 10]);
    }
}
