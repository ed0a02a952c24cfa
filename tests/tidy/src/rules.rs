//! The rules. Each takes one file and returns what is wrong with it, a line each.

use crate::Source;

/// What a rule is: a file in, its faults out.
pub type Rule = fn(&Source) -> Vec<String>;

/// A file longer than this, tests excluded, has more than one subject.
pub const FILE_LINES_MAX: usize = 600;

/// The headings every service's README has, in this order.
pub const README_HEADINGS: &[&str] = &[
    "## Owns",
    "## RPCs",
    "## Messages",
    "## Tables",
    "## Configuration",
    "## Running it alone",
];

/// Who may name a foreign technology: the crate, and the path prefixes or folders where it may
/// stand. Tests may name anything.
const NAMES: &[(&str, &[&str])] = &[
    ("lapin", &["crates/messaging/"]),
    (
        "sqlx",
        &[
            "crates/postgres/",
            "crates/messaging/",
            "crates/testkit/",
            "tests/audit/",
            // It looks at the service's database from outside.
            "tests/load/src/bench/",
            // The name of a log target.
            "crates/telemetry/src/config.rs",
            "/adapters/postgres",
        ],
    ),
    (
        "tonic",
        &[
            "proto/",
            "crates/service/",
            "crates/telemetry/",
            "crates/testkit/src/guarded.rs",
            "tests/e2e/",
            // Benches of one service speak what its callers speak.
            "tests/load/src/bench/",
            "/adapters/grpc",
            "/adapters/inventory",
            "services/gateway/src/upstream",
        ],
    ),
    (
        "reqwest",
        &[
            "/adapters/stripe",
            "/adapters/objects",
            "/adapters/webhooks",
            "tests/",
        ],
    ),
    // Its defaults are loose: it is wrapped once.
    ("jsonwebtoken", &["crates/token/"]),
];

/// What the domain must not name: it is pure.
const IMPURE: &[&str] = &[
    "async fn",
    ".await",
    "tokio::",
    "sqlx::",
    "tonic::",
    "serde::",
    "tracing::",
    "std::fs",
    "std::env",
    "SystemTime",
    "now_utc",
    "rand::",
    "tradepost_proto",
    "tradepost_messaging",
];

/// `lapin`, `sqlx`, `tonic` and `reqwest` stand only where they are allowed to.
#[must_use]
pub fn names_are_where_allowed(source: &Source) -> Vec<String> {
    // This crate has to spell the names it looks for.
    let exempt = source.path.contains("/examples/") || source.path.starts_with("tests/tidy/");
    if source.is_test() || exempt {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (name, places) in NAMES {
        if places.iter().any(|place| source.path.contains(place)) {
            continue;
        }
        let (path, import) = (format!("{name}::"), format!("use {name};"));
        for (number, line) in source.code() {
            // A schema's migrator is a value of sqlx that the service's map has to hold.
            let migrator = line.contains("sqlx::migrate");
            if !migrator && (names(line, &path) || line.contains(&import)) {
                faults.push(format!("{}:{number} names {name}", source.path));
            }
        }
    }
    faults
}

/// Whether `line` has `path` as a path of its own, not as the end of a longer name.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':')
    })
}

/// A domain names no I/O, no clock, no chance, no wire format.
#[must_use]
pub fn domain_is_pure(source: &Source) -> Vec<String> {
    if !in_domain(source) {
        return Vec::new();
    }
    let impure = |line: &str| IMPURE.iter().find(|&&word| line.contains(word)).copied();
    source
        .code()
        .filter_map(|(number, line)| Some((number, impure(line)?)))
        .map(|(number, word)| format!("{}:{number} has `{word}` in a domain", source.path))
        .collect()
}

/// No float near money: none in a domain, none in the value types.
#[must_use]
pub fn no_float_in_values(source: &Source) -> Vec<String> {
    if !in_domain(source) && !source.path.starts_with("crates/types/src") {
        return Vec::new();
    }
    source
        .code()
        .filter(|(_, line)| line.contains("f32") || line.contains("f64"))
        .map(|(number, _)| format!("{}:{number} has a float", source.path))
        .collect()
}

/// A file has one subject.
#[must_use]
pub fn file_is_short(source: &Source) -> Vec<String> {
    let lines = source
        .text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .count();
    if source.is_test() || lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    vec![format!(
        "{} has {lines} lines; at most {FILE_LINES_MAX}",
        source.path
    )]
}

/// `foo.rs` beside `foo/`, never `mod.rs`.
#[must_use]
pub fn no_mod_rs(source: &Source) -> Vec<String> {
    if !source.path.ends_with("/mod.rs") {
        return Vec::new();
    }
    vec![format!(
        "{}: name it after its folder, beside the folder",
        source.path
    )]
}

fn in_domain(source: &Source) -> bool {
    source.path.contains("/src/domain/") || source.path.ends_with("/src/domain.rs")
}
