//! How many different things were seen, in 4,096 registers (`HyperLogLog`).
//!
//! The estimator is Ertl's improved one ("New cardinality estimation algorithms for `HyperLogLog`
//! sketches", 2017, algorithm 6): it has no bias to correct, from nothing to billions.

use crate::codec::{Reader, put_varint};

/// 2^12 registers: a standard error of 1.04 / 64.
const PRECISION: u32 = 12;
const REGISTERS: usize = 1 << PRECISION;
/// The bits of a hash that are left to count leading zeros in, and so the highest rank less one.
const REST: u32 = 64 - PRECISION;
/// More entries than that take more room than all registers.
const SPARSE_MAX: usize = 1_024;
/// The version and form of the bytes.
const SPARSE: u8 = 1;
const DENSE: u8 = 2;
/// Bytes of all registers, six bits each.
const DENSE_BYTES: usize = REGISTERS * 6 / 8;

/// Bytes that are not a [`Distinct`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no registers of distinct things")]
pub struct DistinctError;

/// How many different things were seen, within [`Distinct::STANDARD_ERROR`]. Like a sketch it
/// merges exactly: what was seen twice, here or in another part, counts once.
///
/// ```
/// use tradepost_aggregation::Distinct;
///
/// let (mut morning, mut evening) = (Distinct::new(), Distinct::new());
/// for user in ["ada", "bob", "ada"] {
///     morning.add(user.as_bytes());
/// }
/// evening.add(b"bob");
/// morning.merge(&evening);
/// assert_eq!(morning.estimate(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distinct(Form);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// Registers that are not 0, by their place: at most [`SPARSE_MAX`].
    Sparse(Vec<(u16, u8)>),
    /// All of them.
    Dense(Box<[u8; REGISTERS]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::new()
    }
}

impl Distinct {
    /// By how much of itself an estimate is off, as a standard deviation.
    pub const STANDARD_ERROR: f64 = 0.016_25;

    /// Nothing seen.
    #[must_use]
    pub const fn new() -> Self {
        Self(Form::Sparse(Vec::new()))
    }

    /// Counts a thing by its bytes.
    pub fn add(&mut self, thing: &[u8]) {
        self.add_hash(Self::hash(thing));
    }

    /// The hash that a thing counts by: the same for ever, in every process.
    #[must_use]
    pub fn hash(thing: &[u8]) -> u64 {
        // FNV-1a, then the finalizer of SplitMix64, which spreads its weak high bits.
        let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let hash = thing.iter().fold(0xcbf2_9ce4_8422_2325, fold);
        let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    /// Counts a thing by its [hash](Distinct::hash), for who sees the same thing often.
    pub fn add_hash(&mut self, hash: u64) {
        let place = u16::try_from(hash >> REST).unwrap_or_default();
        let zeros = (hash << PRECISION).leading_zeros().min(REST);
        self.raise(place, u8::try_from(zeros + 1).unwrap_or_default());
    }

    /// Counts all that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            Form::Sparse(theirs) => self.merge_sparse(theirs),
            Form::Dense(theirs) => {
                let ours = self.dense();
                for (ours, theirs) in ours.iter_mut().zip(theirs.iter()) {
                    *ours = (*ours).max(*theirs);
                }
            }
        }
    }

    fn merge_sparse(&mut self, theirs: &[(u16, u8)]) {
        match &mut self.0 {
            Form::Sparse(ours) => {
                *ours = union(ours, theirs);
                if ours.len() > SPARSE_MAX {
                    self.dense();
                }
            }
            Form::Dense(_) => {
                for &(place, rank) in theirs {
                    self.raise(place, rank);
                }
            }
        }
    }

    /// How many different things were seen, about.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the estimate is not negative, and a cast of what is too large saturates"
    )]
    pub fn estimate(&self) -> u64 {
        let mut by_rank = [0_u32; REST as usize + 2];
        let mut count = |rank: u8, times: u32| {
            if let Some(counted) = by_rank.get_mut(usize::from(rank)) {
                *counted += times;
            }
        };
        match &self.0 {
            Form::Sparse(entries) => {
                entries.iter().for_each(|&(_, rank)| count(rank, 1));
                count(0, (REGISTERS - entries.len()) as u32);
            }
            Form::Dense(registers) => registers.iter().for_each(|&rank| count(rank, 1)),
        }
        let m = REGISTERS as f64;
        let share = |rank: usize| f64::from(by_rank.get(rank).copied().unwrap_or_default()) / m;
        let last = REST as usize + 1;
        let mut z = m * tau(1.0 - share(last));
        for rank in (1..last).rev() {
            z = 0.5 * (z + share(rank) * m);
        }
        z += m * sigma(share(0));
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }

    /// The bytes: two to four a thing while there are few, 3,073 at most. What saw the same things
    /// has the same bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match &self.0 {
            Form::Sparse(entries) => {
                let mut bytes = vec![SPARSE];
                let mut before = 0;
                for &(place, rank) in entries {
                    // Places rise, so their distances are small.
                    let step = u64::from(place - before) << 6 | u64::from(rank);
                    put_varint(&mut bytes, step);
                    before = place;
                }
                bytes
            }
            Form::Dense(registers) => {
                let mut bytes = Vec::with_capacity(1 + DENSE_BYTES);
                bytes.push(DENSE);
                for four in registers.chunks_exact(4) {
                    let bits = four
                        .iter()
                        .fold(0, |bits, &rank| bits << 6 | u32::from(rank));
                    bytes.extend_from_slice(bits.to_be_bytes().get(1..).unwrap_or_default());
                }
                bytes
            }
        }
    }
    /// Reads what [`Distinct::encode`] wrote.
    ///
    /// # Errors
    /// [`DistinctError`]: of another version, damaged, or something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DistinctError> {
        let form = match bytes.split_first() {
            Some((&SPARSE, rest)) => read_sparse(rest),
            Some((&DENSE, rest)) => read_dense(rest),
            Some(_) | None => None,
        };
        form.map(Self).ok_or(DistinctError)
    }

    /// Sets a register to at least `rank`.
    fn raise(&mut self, place: u16, rank: u8) {
        match &mut self.0 {
            Form::Dense(registers) => {
                if let Some(register) = registers.get_mut(usize::from(place)) {
                    *register = (*register).max(rank);
                }
            }
            Form::Sparse(entries) => {
                match entries.binary_search_by_key(&place, |&(place, _)| place) {
                    Ok(at) => {
                        if let Some((_, known)) = entries.get_mut(at) {
                            *known = (*known).max(rank);
                        }
                    }
                    Err(at) => entries.insert(at, (place, rank)),
                }
                if entries.len() > SPARSE_MAX {
                    self.dense();
                }
            }
        }
    }

    /// All registers, from now on.
    fn dense(&mut self) -> &mut [u8; REGISTERS] {
        if let Form::Sparse(entries) = &self.0 {
            let mut registers = Box::new([0; REGISTERS]);
            for &(place, rank) in entries {
                if let Some(register) = registers.get_mut(usize::from(place)) {
                    *register = rank;
                }
            }
            self.0 = Form::Dense(registers);
        }
        match &mut self.0 {
            Form::Dense(registers) => registers,
            Form::Sparse(_) => unreachable!("it was made dense"),
        }
    }
}

/// The registers of both, each once and with the higher rank; places rise in both and in the result.
fn union(ours: &[(u16, u8)], theirs: &[(u16, u8)]) -> Vec<(u16, u8)> {
    let mut both = Vec::with_capacity(ours.len() + theirs.len());
    let mut ours = ours.iter().copied().peekable();
    for &(place, rank) in theirs {
        while let Some(before) = ours.next_if(|&(ours, _)| ours < place) {
            both.push(before);
        }
        let same = ours.next_if(|&(ours, _)| ours == place);
        both.push((place, same.map_or(rank, |(_, known)| known.max(rank))));
    }
    both.extend(ours);
    both
}

fn is_rank(rank: u64) -> bool {
    (1..=u64::from(REST) + 1).contains(&rank)
}

fn read_sparse(bytes: &[u8]) -> Option<Form> {
    let mut reader = Reader::new(bytes);
    let (mut entries, mut before) = (Vec::new(), None);
    while reader.left() > 0 {
        let step = reader.varint()?;
        let place = (step >> 6).checked_add(before.unwrap_or(0))?;
        let rises = before.is_none_or(|before| before < place);
        if !rises || !is_rank(step & 63) || place >= REGISTERS as u64 {
            return None;
        }
        entries.push((u16::try_from(place).ok()?, u8::try_from(step & 63).ok()?));
        before = Some(place);
    }
    (entries.len() <= SPARSE_MAX).then_some(Form::Sparse(entries))
}

fn read_dense(bytes: &[u8]) -> Option<Form> {
    if bytes.len() != DENSE_BYTES {
        return None;
    }
    let mut registers = Box::new([0_u8; REGISTERS]);
    let mut used = 0;
    for (four, bits) in registers.chunks_exact_mut(4).zip(bytes.chunks_exact(3)) {
        let bits = bits
            .iter()
            .fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte));
        for (at, register) in four.iter_mut().rev().enumerate() {
            let rank = (bits >> (6 * at)) & 63;
            if rank != 0 && !is_rank(u64::from(rank)) {
                return None;
            }
            used += usize::from(rank != 0);
            *register = u8::try_from(rank).ok()?;
        }
    }
    // Fewer than that are written as a list.
    (used > SPARSE_MAX).then_some(Form::Dense(registers))
}

/// What the registers still at 0 say.
#[expect(
    clippy::float_cmp,
    reason = "the series ends where a step changes nothing"
)]
fn sigma(share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut weight, mut sum) = (share, 1.0, share);
    loop {
        power *= power;
        let before = sum;
        sum += power * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// What the registers at the highest rank say.
#[expect(
    clippy::float_cmp,
    reason = "the series ends where a step changes nothing"
)]
fn tau(share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let (mut root, mut weight, mut sum) = (share, 1.0, 1.0 - share);
    loop {
        root = root.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - root).powi(2) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests;
