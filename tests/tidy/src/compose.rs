//! The rules of `deploy/compose.yaml`, line by line: no library for YAML is worth its weight here.
//! That it is well-formed `scripts/test` knows.

use crate::Source;

/// What in a key makes its value a secret.
const SECRETS: &[&str] = &["PASS", "AUTH", "SECRET", "KEY", "TOKEN"];

/// The backing servers are of versions that stand still, reached from this machine only, known to
/// be well before they are called so, and their secrets stand elsewhere.
#[must_use]
pub fn compose_is_pinned_and_closed(file: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut in_ports = false;
    let (mut images, mut checks) = (0, 0);
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        let mut fault = |what| faults.push(format!("{}:{} {what}", file.path, index + 1));
        if let Some(port) = line.strip_prefix("- ").filter(|_| in_ports) {
            if !port.starts_with("127.0.0.1:") {
                fault("is a port for everybody");
            }
            continue;
        }
        in_ports = line == "ports:";
        match line.split_once(':') {
            Some(("image", image)) => {
                images += 1;
                if !is_pinned(image) {
                    fault("has an image that moves");
                }
            }
            Some(("healthcheck", _)) => checks += 1,
            Some(("ports", given)) if !given.is_empty() => fault("has ports on its own line"),
            Some((key, value)) if is_secret(key) && !value.trim().starts_with("${") => {
                fault("has a secret");
            }
            Some(_) | None => {}
        }
    }
    if images != checks {
        faults.push(format!("{}: {images} images, {checks} checks", file.path));
    }
    faults
}

/// `name:1.2`, and more behind: a release, not a line of them.
fn is_pinned(image: &str) -> bool {
    let Some((_, tag)) = image.trim().split_once(':') else {
        return false;
    };
    let version = tag.split('-').next().unwrap_or_default();
    let numbers = version.split('.');
    version.contains('.')
        && numbers
            .into_iter()
            .all(|number| number.parse::<u32>().is_ok())
}

fn is_secret(key: &str) -> bool {
    !key.starts_with('#') && SECRETS.iter().any(|word| key.contains(word))
}
