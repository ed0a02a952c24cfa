//! Resident memory of the services.

use std::path::Path;

use super::machine::field;

/// The folder of pid files cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the pid files of the services cannot be read")]
pub struct MemoryError(#[from] std::io::Error);

/// Programs of the stack that are not services.
const NOT_SERVICES: &[&str] = &["provider-sim"];

/// The resident memory of every service, by the pid files `NAME.pid` of a folder, in megabytes
/// and in the order of the names. A service that does not run is left out.
///
/// # Errors
/// [`MemoryError`].
pub fn resident(folder: &Path) -> Result<Vec<(String, u64)>, MemoryError> {
    let mut services = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.extension().is_none_or(|end| end != "pid") || NOT_SERVICES.contains(&&*name) {
            continue;
        }
        let pid = std::fs::read_to_string(&path)?;
        let size = field(&format!("/proc/{}/status", pid.trim()), "VmRSS");
        if let Some(size) = size.as_deref().and_then(megabytes) {
            services.push((name, size));
        }
    }
    services.sort_unstable();
    Ok(services)
}

/// From the kernel's `1234 kB`, which are kibibytes.
pub(super) fn megabytes(text: &str) -> Option<u64> {
    let kibibytes: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    Some((kibibytes * 1_024).div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_are_counted_as_megabytes_rounded_up() {
        assert_eq!(megabytes("300000 kB"), Some(308));
        assert_eq!(megabytes("1 kB"), Some(1));
        assert_eq!(megabytes("many"), None);
    }
}
