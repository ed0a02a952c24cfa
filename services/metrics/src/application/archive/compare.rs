//! Files against what they should have. Every count is exact; only sums that were added up in another
//! order may differ in their last digits.

use std::collections::BTreeMap;

use tradepost_types::TenantId;

use crate::ports::{DayCount, FileFacts};

/// How far the rounding of a sum may go, as a share of the magnitudes that are added.
const ROUNDING: f64 = 1e-9;

/// The first way in which the files that were read are not those of the manifest, or these do not have
/// the rows that the database counts.
pub(super) fn difference(
    manifest: &[FileFacts],
    read: &[FileFacts],
    counted: &DayCount,
) -> Option<String> {
    if manifest.len() != read.len() {
        let (wanted, seen) = (manifest.len(), read.len());
        return Some(format!("{seen} files were read of {wanted}"));
    }
    let mut pairs = manifest.iter().zip(read);
    pairs
        .find_map(|(wanted, seen)| {
            let what = difference_of_file(wanted, seen)?;
            Some(format!("{}: {what}", wanted.path))
        })
        .or_else(|| difference_of_rows(manifest, counted))
        .or_else(|| difference_of_sums(manifest, counted))
        .or_else(|| difference_of_rollups(counted))
}

/// The first way in which a file is not what the manifest says.
pub(super) fn difference_of_file(wanted: &FileFacts, seen: &FileFacts) -> Option<String> {
    if seen.bytes != wanted.bytes || seen.sha256 != wanted.sha256 {
        return Some("its bytes are not those that were written".to_owned());
    }
    let (of, at) = (&wanted.tally, &seen.tally);
    if at.rows != of.rows {
        return Some(format!("it has {} rows, not {}", at.rows, of.rows));
    }
    if at.times_ms != of.times_ms {
        return Some(format!(
            "its times are {:?}, not {:?}",
            at.times_ms, of.times_ms
        ));
    }
    let tenants = at.tenants.iter().zip(&of.tenants);
    for (seen, wanted) in tenants {
        let (tenant, other) = (wanted.tenant, seen.tenant);
        if tenant != other || seen.rows != wanted.rows {
            let (has, should) = (seen.rows, wanted.rows);
            return Some(format!(
                "it has {has} rows of {other}, not {should} of {tenant}"
            ));
        }
        if seen.content != wanted.content {
            return Some(format!(
                "the rows of {tenant} are not those of the database"
            ));
        }
    }
    if at.tenants.len() != of.tenants.len() {
        return Some("it has other tenants".to_owned());
    }
    // The same addends in the same order.
    if at.value_sum.to_bits() != of.value_sum.to_bits() {
        return Some(format!("its sum is {}, not {}", at.value_sum, of.value_sum));
    }
    None
}

fn difference_of_rows(manifest: &[FileFacts], counted: &DayCount) -> Option<String> {
    let mut of_tenants: BTreeMap<TenantId, i64> = BTreeMap::new();
    for tenant in manifest.iter().flat_map(|file| &file.tally.tenants) {
        *of_tenants.entry(tenant.tenant).or_default() += tenant.rows;
    }
    for counted in &counted.tenants {
        let in_files = of_tenants.remove(&counted.tenant).unwrap_or_default();
        if in_files != counted.rows {
            let (tenant, rows) = (counted.tenant, counted.rows);
            return Some(format!(
                "the files have {in_files} rows of {tenant}, the database {rows}"
            ));
        }
    }
    let (tenant, rows) = of_tenants.pop_first()?;
    Some(format!(
        "the files have {rows} rows of {tenant}, the database none"
    ))
}

fn difference_of_sums(manifest: &[FileFacts], counted: &DayCount) -> Option<String> {
    let times = manifest.iter().filter_map(|file| file.tally.times_ms);
    let times = times.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
    if times != counted.times_ms {
        let wanted = counted.times_ms;
        return Some(format!(
            "the files' times are {times:?}, the database's {wanted:?}"
        ));
    }
    let sum: f64 = manifest.iter().map(|file| file.tally.value_sum).sum();
    let apart = (sum - counted.value_sum).abs();
    // Sums that have left the range of floats say nothing any more.
    let says_something = sum.is_finite() && counted.value_sum.is_finite();
    if says_something && apart > ROUNDING * counted.magnitude {
        let wanted = counted.value_sum;
        return Some(format!(
            "the files' values add up to {sum}, the database's to {wanted}"
        ));
    }
    None
}

fn difference_of_rollups(counted: &DayCount) -> Option<String> {
    counted.tenants.iter().find_map(|tenant| {
        // No rollup is one of nothing: the day's sums would be lost with its rows.
        let rolled_up = tenant.rolled_up.unwrap_or_default();
        let rows = tenant.rows + tenant.elsewhere;
        (rows != rolled_up).then(|| {
            let tenant = tenant.tenant;
            format!("{tenant} has {rows} raw events, and {rolled_up} in the rollup of the day")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::TenantCount;
    use crate::tally::{Tally, TenantTally};

    fn file(tenant: TenantId) -> FileFacts {
        FileFacts {
            part: 0,
            path: "a.parquet".into(),
            bytes: 10,
            sha256: [1; 32],
            tally: Tally {
                rows: 3,
                times_ms: Some((1, 9)),
                value_sum: 6.5,
                tenants: vec![TenantTally {
                    tenant,
                    rows: 3,
                    content: [2; 32],
                }],
            },
        }
    }

    fn counted(tenant: TenantId) -> DayCount {
        DayCount {
            tenants: vec![TenantCount {
                tenant,
                rows: 3,
                elsewhere: 2,
                rolled_up: Some(5),
            }],
            times_ms: Some((1, 9)),
            value_sum: 6.500_000_001,
            magnitude: 6.5,
        }
    }

    #[test]
    fn files_that_are_right_have_no_difference() {
        let tenant = TenantId::new();
        let (file, read, counted) = (file(tenant), [file(tenant)], counted(tenant));

        assert_eq!(difference(&[file], &read, &counted), None);
        assert_eq!(difference(&[], &[], &DayCount::default()), None);
    }

    #[test]
    fn each_fault_of_a_file_is_found() {
        let tenant = TenantId::new();
        let faults: [fn(&mut FileFacts); 7] = [
            |file| file.bytes = 11,
            |file| file.sha256 = [3; 32],
            |file| file.tally.rows = 2,
            |file| file.tally.times_ms = Some((1, 8)),
            |file| file.tally.value_sum = 6.0,
            |file| file.tally.tenants[0].content = [4; 32],
            |file| file.tally.tenants.clear(),
        ];
        for fault in faults {
            let mut seen = file(tenant);
            fault(&mut seen);

            let found = difference(&[file(tenant)], &[seen], &counted(tenant));

            assert!(found.is_some_and(|found| found.contains("a.parquet")));
        }
        assert!(difference(&[file(tenant)], &[], &counted(tenant)).is_some());
    }

    #[test]
    fn each_fault_of_the_count_is_found() {
        let tenant = TenantId::new();
        let faults: [fn(&mut DayCount); 8] = [
            |day| day.tenants[0].rows = 4,
            |day| day.tenants.clear(),
            |day| day.tenants[0].tenant = TenantId::new(),
            |day| day.times_ms = Some((0, 9)),
            |day| day.value_sum = 6.6,
            |day| day.tenants[0].elsewhere = 1,
            |day| day.tenants[0].rolled_up = Some(6),
            |day| day.tenants[0].rolled_up = None,
        ];
        for fault in faults {
            let mut day = counted(tenant);
            fault(&mut day);

            assert!(difference(&[file(tenant)], &[file(tenant)], &day).is_some());
        }
    }
}
