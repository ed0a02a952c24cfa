//! Runs every rule over the repository, and shows that each of them can fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;

use tradepost_tidy::{
    FILE_LINES_MAX, README_HEADINGS, Rule, Source, compose_is_pinned_and_closed,
    crash_points_are_tested, domain_is_pure, file_is_short, layers_look_inwards,
    names_are_where_allowed, no_float_in_values, no_mod_rs, repository_root, sources,
};

fn faults(rule: Rule) -> Vec<String> {
    let sources = sources().unwrap();
    assert!(sources.len() > 50, "the repository was found");
    sources.iter().flat_map(rule).collect()
}

fn services() -> Vec<PathBuf> {
    let folder = repository_root().join("services");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn foreign_technologies_are_named_only_in_their_place() {
    let astray = Source::new(
        "services/order/src/application/place.rs",
        "use sqlx::PgPool;\n",
    );
    let longer = Source::new(
        "services/order/src/application/place.rs",
        "use my_sqlx::X;\n",
    );

    assert_eq!(names_are_where_allowed(&astray).len(), 1);
    assert_eq!(names_are_where_allowed(&longer), Vec::<String>::new());
    assert_eq!(faults(names_are_where_allowed), Vec::<String>::new());
}

#[test]
fn domains_are_pure() {
    let impure = Source::new(
        "services/order/src/domain/order.rs",
        "let now = now_utc();\n",
    );

    assert_eq!(domain_is_pure(&impure).len(), 1);
    assert_eq!(faults(domain_is_pure), Vec::<String>::new());
}

#[test]
fn layers_look_inwards_only() {
    let planted = [
        ("application/place.rs", "use crate::adapters::postgres;\n"),
        ("application.rs", "use crate::{adapters, domain};\n"),
        ("ports.rs", "use crate::adapters::amqp::Parse;\n"),
        ("ports/store.rs", "use crate::application::Place;\n"),
        ("domain/order.rs", "use crate::application::Place;\n"),
        ("domain.rs", "fn f() { crate::adapters::row(); }\n"),
    ];
    for (file, text) in planted {
        let astray = Source::new(&format!("services/order/src/{file}"), text);
        assert_eq!(layers_look_inwards(&astray).len(), 1, "{file}");
    }
    let inwards = [
        ("adapters/row.rs", "use crate::application::Place;\n"),
        ("application/place.rs", "use crate::ports::OrderStore;\n"),
    ];
    for (file, text) in inwards {
        let sound = Source::new(&format!("services/order/src/{file}"), text);
        assert_eq!(layers_look_inwards(&sound), Vec::<String>::new(), "{file}");
    }
    assert_eq!(faults(layers_look_inwards), Vec::<String>::new());
}

#[test]
fn every_crash_point_is_tested() {
    let named = |path: &str, text: &str| Source::new(path, text);
    let code = "services/metrics/src/store.rs";
    let untested = [named(code, "tradepost_crash::point(\"metrics.after\");\n")];
    let hidden = [named(code, "tradepost_crash::point(C::AFTER);\n")];
    let constant = "const AFTER: &'static str = \"metrics.after\";\n";
    let declared = [
        named(code, "tradepost_crash::point(C::AFTER);\n"),
        named("services/metrics/src/ports.rs", constant),
    ];
    let test = named(
        "services/metrics/tests/it/dies.rs",
        "dies(\"metrics.after\");\n",
    );

    for planted in [&untested[..], &hidden, &declared] {
        assert_eq!(crash_points_are_tested(planted).len(), 1, "{planted:?}");
    }
    let tested = [&declared[..], &[test]].concat();
    assert_eq!(crash_points_are_tested(&tested), Vec::<String>::new());
    let found = crash_points_are_tested(&sources().unwrap());
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn no_float_comes_near_money() {
    let float = Source::new("crates/types/src/money.rs", "fn price() -> f64 { 0.1 }\n");

    assert_eq!(no_float_in_values(&float).len(), 1);
    assert_eq!(faults(no_float_in_values), Vec::<String>::new());
}

#[test]
fn files_are_short() {
    let long = Source::new(
        "crates/types/src/long.rs",
        &"fn f() {}\n".repeat(FILE_LINES_MAX + 1),
    );

    assert_eq!(file_is_short(&long).len(), 1);
    assert_eq!(faults(file_is_short), Vec::<String>::new());
}

#[test]
fn modules_are_named_after_their_folder() {
    assert_eq!(
        no_mod_rs(&Source::new("crates/types/src/id/mod.rs", "")).len(),
        1
    );
    assert_eq!(faults(no_mod_rs), Vec::<String>::new());
}

#[test]
fn every_service_says_the_six_things_in_its_read_me() {
    for service in services() {
        let text = fs::read_to_string(service.join("README.md")).unwrap();
        let headings: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("## "))
            .collect();

        assert_eq!(headings, README_HEADINGS, "{}", service.display());
    }
}

#[test]
fn no_service_depends_on_another_nor_outside_its_tests_on_the_testkit() {
    for service in services() {
        let manifest = fs::read_to_string(service.join("Cargo.toml")).unwrap();
        let build = manifest
            .split("[dev-dependencies]")
            .next()
            .unwrap_or_default();

        for other in services() {
            let name = format!(
                "tradepost-{}.",
                other.file_name().unwrap().to_string_lossy()
            );
            assert!(
                !build.contains(&name),
                "{} depends on {name}",
                service.display()
            );
        }
        assert!(
            !build.contains("tradepost-testkit"),
            "{}",
            service.display()
        );
    }
}

#[test]
fn the_servers_in_containers_are_pinned_and_closed() {
    let path = "deploy/compose.yaml";
    let text = fs::read_to_string(repository_root().join(path)).unwrap();
    let planted = [
        ("image: redis:7.2.16-bookworm", "image: redis"),
        ("image: redis:7.2.16-bookworm", "image: redis:7-bookworm"),
        ("image: redis:7.2.16-bookworm", "image: redis:latest"),
        (
            "- 127.0.0.1:${TRADEPOST_STACK_REDIS_PORT:?}:6379",
            "- 6379:6379",
        ),
        (
            "REDISCLI_AUTH: ${TRADEPOST_STACK_PASSWORD:?}",
            "REDISCLI_AUTH: secret",
        ),
        (
            "healthcheck:\n      <<: *often\n      test: redis",
            "x-check:\n      test: redis",
        ),
    ];

    for (sound, wrong) in planted {
        assert!(text.contains(sound), "{sound}");
        let wrong_text = text.replace(sound, wrong);
        let faults = compose_is_pinned_and_closed(&Source::new(path, &wrong_text));
        assert_eq!(faults.len(), 1, "{wrong}: {faults:?}");
    }
    let found = compose_is_pinned_and_closed(&Source::new(path, &text));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn mains_are_thin() {
    for service in services() {
        // A service that is a library so far has no process to start.
        let main = fs::read_to_string(service.join("src/main.rs")).unwrap_or_default();

        assert!(main.lines().count() <= 25, "{}", service.display());
    }
}

#[test]
fn decisions_are_numbered_without_a_gap_and_say_the_three_things() {
    let mut files: Vec<_> = fs::read_dir(repository_root().join("adr"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();

    for (index, file) in files.iter().enumerate() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(file).unwrap();
        assert!(name.starts_with(&format!("{:04}-", index + 1)), "{name}");
        for heading in ["## Context", "## Decision", "## Consequences"] {
            assert!(text.contains(heading), "{name} has no {heading}");
        }
    }
    assert!(!files.is_empty(), "the decisions were found");
}
