//! Bins and how often each was hit: a sorted list while they are few or far apart, a run of counts
//! once they are close together, and a list of wide counts once one passes 32 bits. Which of them
//! it is changes nothing that can be seen.

/// Below this many bins a list is always good enough.
const LIST_MIN: usize = 16;
/// A run grows by whole blocks of so many bins, so that it does not grow by ones.
const BLOCK: i64 = 32;

/// How often which bin was hit.
#[derive(Debug, Clone)]
pub(super) enum Bins {
    /// By bin, ascending; no count is 0.
    List(Vec<(i32, u32)>),
    /// Counts of the bins from `first` on.
    Run {
        first: i32,
        counts: Vec<u32>,
        /// How many of them are not 0.
        used: usize,
    },
    /// As a list, of counts past four thousand million.
    Wide(Vec<(i32, u64)>),
}

impl Default for Bins {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Bins {
    /// How many bins were hit.
    pub(super) fn used(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Run { used, .. } => *used,
            Self::Wide(list) => list.len(),
        }
    }

    /// The bins that were hit, ascending.
    pub(super) fn iter(&self) -> Iter<'_> {
        match self {
            Self::List(list) => Iter::List(list.iter()),
            Self::Run { first, counts, .. } => Iter::Run {
                next: *first,
                counts: counts.iter(),
            },
            Self::Wide(list) => Iter::Wide(list.iter()),
        }
    }

    /// Counts `n` more hits of `bin`; `n` is not 0.
    #[inline]
    pub(super) fn add(&mut self, bin: i32, n: u64) {
        if let Self::Run {
            first,
            counts,
            used,
        } = self
            && let Ok(place) = usize::try_from(bin.wrapping_sub(*first))
            && let Some(count) = counts.get_mut(place)
            && let Some(sum) = u32::try_from(n).ok().and_then(|n| count.checked_add(n))
        {
            *used += usize::from(*count == 0);
            *count = sum;
            return;
        }
        self.add_slowly(bin, n);
    }

    fn add_slowly(&mut self, bin: i32, n: u64) {
        match self {
            Self::List(list) => {
                let place = list.binary_search_by_key(&bin, |&(bin, _)| bin);
                match (place, u32::try_from(n)) {
                    (Err(place), Ok(n)) => {
                        list.insert(place, (bin, n));
                        self.reconsider();
                        return;
                    }
                    (Ok(place), Ok(n)) => {
                        if let Some((_, count)) = list.get_mut(place)
                            && let Some(sum) = count.checked_add(n)
                        {
                            *count = sum;
                            return;
                        }
                    }
                    (_, Err(_)) => {}
                }
                self.become_wide();
            }
            Self::Run { first, counts, .. } => {
                let within = i64::from(bin) - i64::from(*first);
                if (0..counts.len().cast_signed() as i64).contains(&within)
                    || n > u64::from(u32::MAX)
                {
                    self.become_wide();
                } else {
                    self.widen(bin);
                }
            }
            Self::Wide(list) => {
                match list.binary_search_by_key(&bin, |&(bin, _)| bin) {
                    Ok(place) => {
                        if let Some((_, count)) = list.get_mut(place) {
                            *count = count.saturating_add(n);
                        }
                    }
                    Err(place) => list.insert(place, (bin, n)),
                }
                return;
            }
        }
        self.add(bin, n);
    }

    /// Bytes on the heap.
    #[inline]
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::List(list) => list.capacity() * size_of::<(i32, u32)>(),
            Self::Run { counts, .. } => counts.capacity() * size_of::<u32>(),
            Self::Wide(list) => list.capacity() * size_of::<(i32, u64)>(),
        }
    }

    fn become_wide(&mut self) {
        *self = Self::Wide(self.iter().collect());
    }

    /// Makes a list a run, where that takes about as much room. Looked at when the list doubles, so
    /// that it costs nothing a hit.
    fn reconsider(&mut self) {
        let Self::List(list) = self else { return };
        let (Some(&(low, _)), Some(&(high, _))) = (list.first(), list.last()) else {
            return;
        };
        if list.len() < LIST_MIN || !list.len().is_power_of_two() {
            return;
        }
        let (first, len) = blocks(low, high);
        if len > 5 * list.len() {
            return;
        }
        let list = std::mem::take(list);
        *self = Self::Run {
            first,
            counts: vec![0; len],
            used: 0,
        };
        list.into_iter()
            .for_each(|(bin, n)| self.add(bin, u64::from(n)));
    }

    /// Makes room for `bin` in a run, or a list of it where that would be mostly empty.
    fn widen(&mut self, bin: i32) {
        let Self::Run {
            first: old,
            counts,
            used,
        } = self
        else {
            return;
        };
        let len = i32::try_from(counts.len()).unwrap_or(i32::MAX);
        let (first, new_len) = blocks(bin.min(*old), bin.max(old.saturating_add(len - 1)));
        if new_len > 6 * (*used + LIST_MIN) {
            let narrow = |(bin, n)| Some((bin, u32::try_from(n).ok()?));
            *self = Self::List(self.iter().filter_map(narrow).collect());
            return;
        }
        let before = usize::try_from(i64::from(*old) - i64::from(first)).unwrap_or(0);
        let mut wider = Vec::with_capacity(new_len);
        wider.resize(before, 0);
        wider.extend_from_slice(counts);
        wider.resize(new_len, 0);
        *counts = wider;
        *old = first;
    }
}

/// The run of whole blocks that has both bins in it: where it starts, how long it is.
fn blocks(low: i32, high: i32) -> (i32, usize) {
    let first = i64::from(low).div_euclid(BLOCK) * BLOCK;
    let end = (i64::from(high).div_euclid(BLOCK) + 1) * BLOCK;
    let first_bin = i32::try_from(first).unwrap_or(low);
    (
        first_bin,
        usize::try_from(end - first).unwrap_or(usize::MAX),
    )
}

/// The bins that were hit, ascending.
pub(super) enum Iter<'a> {
    List(std::slice::Iter<'a, (i32, u32)>),
    Run {
        next: i32,
        counts: std::slice::Iter<'a, u32>,
    },
    Wide(std::slice::Iter<'a, (i32, u64)>),
}

impl Iterator for Iter<'_> {
    type Item = (i32, u64);

    fn next(&mut self) -> Option<(i32, u64)> {
        match self {
            Self::List(list) => list.next().map(|&(bin, n)| (bin, u64::from(n))),
            Self::Wide(list) => list.next().copied(),
            Self::Run { next, counts } => {
                for &count in counts {
                    let bin = *next;
                    *next += 1;
                    if count > 0 {
                        return Some((bin, u64::from(count)));
                    }
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hits_are_counted_whatever_the_form(
            hits in proptest::collection::vec(
                (
                    prop_oneof![-70..70_i32, -1_000..1_000_i32, -134_272..=134_272_i32],
                    prop_oneof![20 => 1..5_u64, 1 => u64::from(u32::MAX) - 2..1 << 40],
                ),
                0..300,
            ),
        ) {
            let mut bins = Bins::default();
            let mut expected = BTreeMap::new();
            for (bin, n) in hits {
                bins.add(bin, n);
                *expected.entry(bin).or_insert(0) += n;
            }

            prop_assert_eq!(bins.used(), expected.len());
            prop_assert_eq!(bins.iter().collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn room_is_bounded_by_the_bins_hit(
            hits in proptest::collection::vec(-134_272..=134_272_i32, 0..300),
            close in proptest::collection::vec(0..200_i32, 0..300),
        ) {
            let mut bins = Bins::default();
            for bin in close.into_iter().chain(hits) {
                bins.add(bin, 1);
                prop_assert!(bins.heap_bytes() <= 32 * bins.used() + 1_024);
            }
        }
    }

    #[test]
    fn bins_close_together_become_a_run_and_wide_ones_a_list_again() {
        let mut bins = Bins::default();

        (0..64).for_each(|bin| bins.add(bin, 1));
        assert!(matches!(bins, Bins::Run { .. }));

        bins.add(3, u64::from(u32::MAX));
        assert!(matches!(bins, Bins::Wide(_)));
        assert_eq!(bins.iter().nth(3), Some((3, 1 << 32)));
    }
}
