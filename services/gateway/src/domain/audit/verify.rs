//! Whether a chain is as it was written: the first row that is not, and why.
//!
//! The chain alone shows what was changed by someone who could not, or did not, seal all later
//! entries anew. Checkpoints, signed and kept elsewhere, show that too, and what is missing at the
//! end.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::Chain;
use super::chain::{Digest, Head, Sealed};
use super::checkpoint::{Checkpoint, Kind};

/// What is needed of a row to check its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its place.
    pub seq: i64,
    /// The hash before it, as the row has it.
    pub prev: Digest,
    /// Its hash, as the row has it.
    pub hash: Digest,
    /// Whether that is the hash of its fields.
    pub is_intact: bool,
}

impl From<&Sealed> for Link {
    fn from(sealed: &Sealed) -> Self {
        Self {
            seq: sealed.seq,
            prev: sealed.prev,
            hash: sealed.hash,
            is_intact: sealed.computed_hash() == sealed.hash,
        }
    }
}

/// What was done to a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tampering {
    /// The row does not have the hash it was sealed with.
    Changed,
    /// The row is gone, and later ones are there.
    Deleted,
    /// The row was not there when the next one was written.
    Inserted,
    /// The row stands, or stood, at another place.
    Reordered,
    /// The row is gone, and so is all that followed it.
    Truncated,
    /// The chain fits together, but it is not the one that was signed: rows were changed and all
    /// later ones sealed anew.
    Resealed,
}

impl Tampering {
    /// One word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Inserted => "inserted",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Resealed => "resealed",
        }
    }
}

/// The first row that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its chain.
    pub chain: Chain,
    /// Its place. Where only a checkpoint tells, the first place that can be meant.
    pub seq: i64,
    /// What was done.
    pub tampering: Tampering,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain,
            seq,
            tampering,
        } = self;
        write!(f, "{chain}: row {seq} was {}", tampering.as_str())
    }
}

/// Checks all rows of a chain, in the order they are kept, against `checkpoints`. A chain may begin
/// behind a cut, which is a signed checkpoint too; nothing else excuses a missing beginning.
///
/// # Errors
/// The first row that is not as it was written.
pub fn verify(chain: Chain, rows: &[Link], checkpoints: &[Checkpoint]) -> Result<Head, Fault> {
    let of_chain = checkpoints.iter().filter(|point| point.chain == chain);
    let signed = Signed::of(of_chain);
    let fault = |seq, tampering| Fault {
        chain,
        seq,
        tampering,
    };
    let mut head = signed.beginning(chain, rows.first());
    let mut vouched = head.seq;
    for (at, row) in rows.iter().enumerate() {
        let expected = head.seq.saturating_add(1);
        if row.seq != expected || row.prev != head.hash || !row.is_intact {
            let (seq, tampering) = why(rows, at, &head);
            return Err(fault(seq, tampering));
        }
        head.seq = row.seq;
        head.hash = row.hash;
        match signed.hashes.get(&row.seq).map(Vec::as_slice) {
            None => {}
            Some(hashes) if hashes.iter().all(|hash| *hash == row.hash) => vouched = row.seq,
            Some(_) => return Err(fault(vouched.saturating_add(1), Tampering::Resealed)),
        }
    }
    match signed.last() {
        Some(last) if last > head.seq => {
            Err(fault(head.seq.saturating_add(1), Tampering::Truncated))
        }
        Some(_) | None => Ok(head),
    }
}

/// Checks rows that follow a place which is known to be in order.
///
/// # Errors
/// The first row that is not as it was written.
pub fn follow(mut head: Head, rows: &[Link]) -> Result<Head, Fault> {
    for (at, row) in rows.iter().enumerate() {
        let expected = head.seq.saturating_add(1);
        if row.seq != expected || row.prev != head.hash || !row.is_intact {
            let (seq, tampering) = why(rows, at, &head);
            return Err(Fault {
                chain: head.chain,
                seq,
                tampering,
            });
        }
        head.seq = row.seq;
        head.hash = row.hash;
    }
    Ok(head)
}

/// What was signed of one chain.
struct Signed {
    /// By place; more than one hash at a place is tampering in itself.
    hashes: BTreeMap<i64, Vec<Digest>>,
    cuts: BTreeMap<i64, Digest>,
}

impl Signed {
    fn of<'a>(checkpoints: impl Iterator<Item = &'a Checkpoint>) -> Self {
        let (mut hashes, mut cuts) = (BTreeMap::<i64, Vec<Digest>>::new(), BTreeMap::new());
        for point in checkpoints {
            hashes.entry(point.seq).or_default().push(point.hash);
            match point.kind {
                Kind::Cut => {
                    cuts.insert(point.seq, point.hash);
                }
                Kind::Mark => {}
            }
        }
        Self { hashes, cuts }
    }

    /// What the first row has to follow: the cut before it, or nothing.
    fn beginning(&self, chain: Chain, first: Option<&Link>) -> Head {
        let genesis = Head::genesis(chain);
        let cut = match first {
            Some(first) => self.cuts.get_key_value(&first.seq.saturating_sub(1)),
            // All rows may be past their time.
            None => self.cuts.last_key_value(),
        };
        // Rows are missing in front of the first: it is the last cut that they should follow.
        let cut = cut.or_else(|| match first {
            Some(first) => self.cuts.range(..first.seq).next_back(),
            None => None,
        });
        match cut {
            Some((seq, hash)) if first.is_none_or(|first| first.seq > 1) => Head {
                seq: *seq,
                hash: *hash,
                ..genesis
            },
            Some(_) | None => genesis,
        }
    }

    fn last(&self) -> Option<i64> {
        self.hashes.last_key_value().map(|(seq, _)| *seq)
    }
}

/// What was done to the row at `at`, which does not follow `head`.
fn why(rows: &[Link], at: usize, head: &Head) -> (i64, Tampering) {
    let expected = head.seq.saturating_add(1);
    let later = rows.get(at.saturating_add(1)..).unwrap_or_default();
    let Some(row) = rows.get(at) else {
        return (expected, Tampering::Deleted);
    };
    if row.seq > expected {
        let moved = later.iter().any(|other| other.seq == expected);
        let tampering = if moved {
            Tampering::Reordered
        } else {
            Tampering::Deleted
        };
        return (expected, tampering);
    }
    if row.seq < expected {
        return (row.seq, Tampering::Inserted);
    }
    let follows_head = |other: &&Link| other.prev == head.hash && other.hash != row.hash;
    if row.prev != head.hash {
        // The row that was written here stands further on: this one was put before it, or the two
        // were exchanged.
        let places: HashMap<&Digest, i64> =
            rows.iter().map(|other| (&other.hash, other.seq)).collect();
        let displaced = later.iter().find(follows_head);
        let has_other_place = places
            .get(&row.prev)
            .is_some_and(|before| before.saturating_add(1) != row.seq);
        return match displaced {
            Some(_) if has_other_place => (expected, Tampering::Reordered),
            Some(_) => (expected, Tampering::Inserted),
            None if has_other_place => (expected, Tampering::Reordered),
            None => (expected, Tampering::Changed),
        };
    }
    if later.iter().any(|other| follows_head(&other)) {
        return (expected, Tampering::Inserted);
    }
    (expected, Tampering::Changed)
}

#[cfg(test)]
mod tests;
