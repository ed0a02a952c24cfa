//! Whether there is room for what a bench makes, before it makes it.

use std::path::Path;
use std::process::Command;

use crate::bench::target::TargetError;

/// Bytes that are free where `path` is.
pub(super) fn free(path: &Path) -> Result<u64, TargetError> {
    let output = Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(path)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes = text
        .lines()
        .nth(1)
        .and_then(|line| line.trim().parse().ok());
    bytes.ok_or_else(|| TargetError::Wrong(format!("df says nothing of {}", path.display())))
}

/// Refuses what needs more than there is.
pub(super) fn check(path: &Path, what: &str, needed: u64) -> Result<(), TargetError> {
    let free = free(path)?;
    if needed <= free {
        return Ok(());
    }
    let gigabytes = |bytes: u64| bytes as f64 / 1e9;
    Err(TargetError::Wrong(format!(
        "{what} takes about {:.1} GB in {}, and {:.1} GB are free",
        gigabytes(needed),
        path.display(),
        gigabytes(free),
    )))
}

/// Bytes of all files below `path`.
pub(super) fn taken(path: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() {
            taken(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_with_both_figures() {
        let here = std::env::temp_dir();

        assert!(check(&here, "nothing", 0).is_ok());
        let refused = check(&here, "everything", u64::MAX)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("everything takes about") && refused.contains("GB are free"));
    }
}
