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

/// What stands inside names nothing that stands around it: a domain and a port neither a use case
/// nor an adapter, a use case no adapter.
#[must_use]
pub fn layers_look_inwards(source: &Source) -> Vec<String> {
    let barred: &[&str] = match layer(source) {
        Some("domain" | "ports") => &["application", "adapters"],
        Some("application") => &["adapters"],
        Some(_) | None => return Vec::new(),
    };
    if source.is_test() {
        return Vec::new();
    }
    let outer = |line: &str| barred.iter().find(|&&outer| has_word(line, outer)).copied();
    source
        .code()
        .filter_map(|(number, line)| Some((number, outer(line)?)))
        .map(|(number, outer)| format!("{}:{number} names `{outer}`", source.path))
        .collect()
}

/// The folder of a service's source that the file is in, or is the map of.
fn layer(source: &Source) -> Option<&str> {
    let inside = source.path.strip_prefix("services/")?;
    let (_, inside) = inside.split_once("/src/")?;
    inside.split(['/', '.']).next()
}

/// Whether `line` has `word` as a word of its own.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|found| found == word)
}

/// A service that is killed at its crash points by tests of its own names each of them there. The
/// others are killed by `tests/e2e`, which takes the names from the source as this does.
const CRASH_TESTED_ALONE: &[&str] = &["gateway", "metrics", "notification"];

/// Every crash point of those services is in a test of that service, by its name; and no crash point
/// hides its name from whoever looks for it in the source.
#[must_use]
pub fn crash_points_are_tested(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| has_crash_points(source)) {
        for (number, line) in source.code() {
            let Some((_, argument)) = line.split_once("tradepost_crash::point(") else {
                continue;
            };
            let place = format!("{}:{number}", source.path);
            let names = point_names(sources, source, argument);
            if names.is_empty() {
                faults.push(format!("{place} is a crash point without a name"));
            }
            let untested = names
                .iter()
                .filter(|name| !is_tested(sources, source, name));
            faults.extend(untested.map(|name| format!("{place}: no test names {name}")));
        }
    }
    faults
}

/// The programs and what they share; tools only speak of crash points.
fn has_crash_points(source: &Source) -> bool {
    let folders = ["crates/", "services/"];
    let is_ours = folders.iter().any(|folder| source.path.starts_with(folder));
    is_ours && !source.is_test()
}

/// The name in the call; or, where it is a constant of a trait, the names that the service's
/// implementations give it.
fn point_names<'a>(sources: &'a [Source], at: &Source, argument: &'a str) -> Vec<&'a str> {
    let literal = |text: &'a str| text.strip_prefix('"')?.split('"').next();
    if let Some(name) = literal(argument) {
        return vec![name];
    }
    let path = argument.split(')').next().unwrap_or_default();
    let constant = path.rsplit("::").next().unwrap_or_default();
    let declared = format!("const {constant}: &'static str = ");
    let folder = service(at);
    let own = sources.iter().filter(|source| service(source) == folder);
    own.flat_map(Source::code)
        .filter_map(|(_, line)| literal(line.split_once(&declared)?.1))
        .collect()
}

fn is_tested(sources: &[Source], at: &Source, name: &str) -> bool {
    let Some(folder) = service(at).filter(|own| CRASH_TESTED_ALONE.contains(own)) else {
        return true;
    };
    let tests = format!("services/{folder}/tests/");
    let quoted = format!("\"{name}\"");
    let mut own = sources.iter().filter(|test| test.path.starts_with(&tests));
    own.any(|test| test.code().any(|(_, line)| line.contains(&quoted)))
}

fn service(source: &Source) -> Option<&str> {
    source.path.strip_prefix("services/")?.split('/').next()
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
