//! A sketch of many numbers that answers for any percentile within a stated error. What the bins
//! are is in `key`, how they are kept in `bins`.

mod bins;
mod key;

use bins::Bins;

use crate::codec::{Reader, put_signed, put_varint};

/// The version of the byte form; the first byte of it.
const VERSION: u8 = 1;

/// A value that is no finite number; nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value is not a finite number")]
pub struct NotFinite;

/// Bytes that are not a sketch, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SketchError {
    /// Of a form that is not known here.
    #[error("the sketch has version {0}, which is not known")]
    Version(u8),
    /// Cut off, or not what a sketch writes.
    #[error("the bytes are not a sketch")]
    Malformed,
}

/// How often values of which size came: any percentile within [`Sketch::RELATIVE_ERROR`], over all
/// finite floats, in at most [`Sketch::BINS_MAX`] bins.
///
/// A sketch says nothing of the order in which values came: the merge of the sketches of parts *is*
/// the sketch of the whole, bin by bin, however the whole was cut. So nodes, shards and minutes
/// merge exactly.
///
/// Values that need more bins than there may be (more than 64 powers of two, densely filled) make
/// all bins twice as wide, as often as it takes; [`Sketch::relative_error`] then says what holds.
///
/// ```
/// use tradepost_aggregation::Sketch;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut sketch = Sketch::new();
/// for value in 1..=1_000 {
///     sketch.add(f64::from(value))?;
/// }
/// let p99 = sketch.quantile(0.99).unwrap_or_default();
/// assert!((p99 - 990.0).abs() <= 990.0 * Sketch::RELATIVE_ERROR);
///
/// let mut merged = Sketch::decode(&sketch.encode())?;
/// merged.merge(&sketch);
/// assert_eq!(merged.count(), 2_000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    level: u8,
    count: u64,
    bins: Bins,
}

impl Sketch {
    /// By how much of its value a percentile may be off.
    pub const RELATIVE_ERROR: f64 = key::RELATIVE_ERROR;
    /// The most bins a sketch has; it takes at most 32 bytes a bin.
    pub const BINS_MAX: usize = 4_096;

    /// A sketch of nothing, which takes no memory of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one value.
    ///
    /// # Errors
    /// [`NotFinite`]: it is NaN or infinite, and was not counted.
    pub fn add(&mut self, value: f64) -> Result<(), NotFinite> {
        self.add_n(value, 1)
    }

    /// Counts a value `n` times.
    ///
    /// # Errors
    /// As [`Sketch::add`].
    pub fn add_n(&mut self, value: f64, n: u64) -> Result<(), NotFinite> {
        if !value.is_finite() {
            return Err(NotFinite);
        }
        self.hit(key::coarser(key::key(value), self.level), n);
        Ok(())
    }

    /// Counts all that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        while self.level < other.level {
            self.coarsen();
        }
        for (bin, n) in other.bins.iter() {
            // The level may rise on the way: a bin is one of the other's until it is brought here.
            self.hit(key::coarser(bin, self.level - other.level), n);
        }
    }

    /// The least value that at least `q` of all values are at most, `q` from 0 to 1 (what is
    /// outside is taken for the nearer end); off by at most [`Sketch::relative_error`]. `None`
    /// where nothing was counted.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank; past 2^53 values its last bits are beyond the error"
        )]
        let rank =
            ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0_u64;
        for (bin, n) in self.bins.iter() {
            seen = seen.saturating_add(n);
            if seen >= rank {
                return Some(key::value(bin, self.level));
            }
        }
        None
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// By how much of its value a percentile of this sketch may be off: [`Sketch::RELATIVE_ERROR`],
    /// unless the values needed more bins than there may be.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        key::relative_error(self.level)
    }

    /// The sketch in bytes, two to four a bin. Equal sketches have equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + 3 * self.bins.used());
        bytes.extend([VERSION, self.level]);
        put_varint(&mut bytes, self.bins.used() as u64);
        let mut before = None;
        for (bin, n) in self.bins.iter() {
            match before {
                None => put_signed(&mut bytes, i64::from(bin)),
                Some(before) => put_varint(&mut bytes, i64::from(bin - before).unsigned_abs()),
            }
            put_varint(&mut bytes, n);
            before = Some(bin);
        }
        bytes
    }

    /// Reads what [`Sketch::encode`] wrote. Takes no more memory than 20 times the bytes.
    ///
    /// # Errors
    /// [`SketchError`]: of another version, damaged, or not a sketch at all.
    pub fn decode(bytes: &[u8]) -> Result<Self, SketchError> {
        let mut reader = Reader::new(bytes);
        match reader.byte() {
            Some(VERSION) => {}
            Some(version) => return Err(SketchError::Version(version)),
            None => return Err(SketchError::Malformed),
        }
        Self::read(&mut reader)
            .filter(|_| reader.left() == 0)
            .ok_or(SketchError::Malformed)
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bins.heap_bytes()
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let level = reader.byte().filter(|&level| level <= key::LEVEL_MAX)?;
        let greatest = i64::from(key::coarser(key::MAGNITUDE_MAX, level));
        let used = usize::try_from(reader.varint()?).ok()?;
        if used > Self::BINS_MAX {
            return None;
        }
        let mut sketch = Self {
            level,
            ..Self::default()
        };
        let mut before: Option<i64> = None;
        for _ in 0..used {
            let bin = match before {
                None => reader.signed()?,
                Some(before) => {
                    let step = i64::try_from(reader.varint()?)
                        .ok()
                        .filter(|&step| step > 0)?;
                    before.checked_add(step)?
                }
            };
            if bin.checked_abs()? > greatest {
                return None;
            }
            let n = reader.varint().filter(|&n| n > 0)?;
            sketch.count = sketch.count.checked_add(n)?;
            sketch.bins.add(i32::try_from(bin).ok()?, n);
            before = Some(bin);
        }
        Some(sketch)
    }

    /// Counts hits of a bin of the sketch's level.
    fn hit(&mut self, bin: i32, n: u64) {
        if n == 0 {
            return;
        }
        self.count = self.count.saturating_add(n);
        self.bins.add(bin, n);
        while self.bins.used() > Self::BINS_MAX && self.level < key::LEVEL_MAX {
            self.coarsen();
        }
    }

    /// Makes all bins twice as wide. As levels nest and the level depends only on which bins were
    /// hit, it makes no difference when this happens.
    fn coarsen(&mut self) {
        let bins = std::mem::take(&mut self.bins);
        bins.iter()
            .for_each(|(bin, n)| self.bins.add(key::coarser(bin, 1), n));
        self.level += 1;
    }
}

impl PartialEq for Sketch {
    fn eq(&self, other: &Self) -> bool {
        self.level == other.level && self.bins.iter().eq(other.bins.iter())
    }
}

impl Eq for Sketch {}

#[cfg(test)]
mod tests;
