//! What operators see.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::ExitStatus;

use tradepost_testkit::Trust;

use super::support::{Depot, Folder, day_ago};
use crate::support::{SOON, command, fresh_database};

async fn run(depot: &Depot, arguments: &[&str]) -> (ExitStatus, String) {
    let mut process = command(&depot.test_database, arguments)
        .env(
            "TRADEPOST_METRICS__RETENTION__STORE_URL",
            depot.folder.url(),
        )
        .spawn();
    let status = process.wait(SOON).await;
    (status, process.log())
}

#[tokio::test]
async fn operators_archive_ask_and_restore() {
    let depot = Depot::stocked().await;
    let day = day_ago(800).to_string();

    let (status, said) = run(&depot, &["archive", "run", "--dry-run"]).await;
    assert!(status.success(), "{said}");
    assert!(said.contains(&format!("{day} would be archived")), "{said}");
    assert!(said.contains("2 days are due"), "{said}");
    assert_eq!(depot.state(800).await, None);

    let (status, said) = run(&depot, &["archive", "run"]).await;
    assert!(status.success(), "{said}");
    for line in [
        format!("{day} is detached"),
        format!("{day} is exported: 360 rows, 1 files"),
        format!("{day} is verified"),
        format!("{day} is dropped from the database"),
        "nothing is left to do".to_owned(),
    ] {
        assert!(said.contains(&line), "{line} not in {said}");
    }

    let (status, said) = run(&depot, &["archive", "status"]).await;
    assert!(status.success(), "{said}");
    assert!(said.contains("2 days are dropped"), "{said}");
    assert!(said.contains("720 rows"), "{said}");

    let (status, said) = run(&depot, &["rebuild-day", &day]).await;
    assert!(!status.success());
    assert!(said.contains(&format!("metrics restore {day}")), "{said}");
    let (status, said) = run(&depot, &["audit", "--day", &day]).await;
    assert!(!status.success());
    assert!(said.contains(&format!("metrics restore {day}")), "{said}");
    let (status, said) = run(&depot, &["audit"]).await;
    assert!(status.success(), "{said}");
    assert!(said.contains("2 archived days are not looked at"), "{said}");

    let (status, said) = run(&depot, &["restore", &day]).await;
    assert!(status.success(), "{said}");
    assert!(said.contains("is loaded: 360 rows"), "{said}");
    let (status, said) = run(&depot, &["rebuild-day", &day]).await;
    assert!(status.success(), "{said}");
    let (status, said) = run(&depot, &["audit", "--day", &day]).await;
    assert!(status.success(), "{said}");
    depot.assert_whole().await;

    let (status, said) = run(&depot, &["archive", "run", &day]).await;
    assert!(status.success(), "{said}");
    assert_eq!(depot.state(800).await.unwrap().word(), "dropped");
    depot.assert_whole().await;
}

#[tokio::test]
async fn a_day_that_failed_says_what_to_do() {
    let depot = Depot::stocked().await;
    depot
        .execute("update rollup_days set n = n + 1 where start_time < now() - interval '799 days'")
        .await;
    let day = day_ago(800).to_string();

    let (status, said) = run(&depot, &["archive", "run"]).await;
    assert!(!status.success());
    let advice = format!("`metrics archive retry {day}` exports it anew");
    assert!(said.contains(&advice), "{said}");
    assert!(said.contains("1 days failed"), "{said}");

    let (_, said) = run(&depot, &["archive", "status", &day]).await;
    assert!(said.contains("in the rollup of the day"), "{said}");
    let (status, said) = run(&depot, &["archive", "retry", &day, "--dry-run"]).await;
    assert!(status.success(), "{said}");
    assert_eq!(depot.state(800).await.unwrap().word(), "failed");

    // Take it back, mend the sums, and have it leave again.
    for arguments in [
        ["restore", &day].as_slice(),
        &["rebuild-day", &day],
        &["archive", "run", &day],
    ] {
        let (status, said) = run(&depot, arguments).await;
        assert!(status.success(), "{arguments:?}: {said}");
    }
    assert_eq!(depot.state(800).await.unwrap().word(), "dropped");
    depot.assert_whole().await;
}

/// Starts the service with settings of the archive; how it ended, and what it said.
async fn start(settings: &[(&str, &str)]) -> (ExitStatus, String) {
    let database = fresh_database().await;
    let trust = Trust::new();
    let mut builder = command(&database, &[])
        .env("TRADEPOST_METRICS__SERVER__LISTEN_ADDR", "127.0.0.1:0")
        .env("TRADEPOST_METRICS__SERVER__ADMIN_ADDR", "127.0.0.1:0")
        .env(
            "TRADEPOST_METRICS__SERVER__AUTH__TRUST_PATH",
            trust.trust_path(),
        );
    for (name, value) in settings {
        builder = builder.env(*name, *value);
    }
    let mut process = builder.spawn();
    let status = process.wait(SOON).await;
    (status, process.log())
}

const URL: &str = "TRADEPOST_METRICS__RETENTION__STORE_URL";

#[tokio::test]
async fn a_store_that_cannot_be_used_keeps_the_service_from_starting_and_is_named() {
    let folder = Folder::new();
    for (url, wanted) in [
        ("ftp://host/x", "must start with file://, s3:// or gs://"),
        ("not a url", "is not a URL"),
        (
            "file:///there/is/no/such/folder",
            "/there/is/no/such/folder cannot be used",
        ),
        (
            "s3://key:secret@bucket/x",
            "it must have neither credentials nor a query",
        ),
    ] {
        let (status, said) = start(&[(URL, url)]).await;
        assert!(!status.success(), "{url}");
        assert!(said.contains("store_url"), "{url}: {said}");
        assert!(said.contains(wanted), "{url}: {said}");
    }

    let settings = [
        (URL, folder.url()),
        ("TRADEPOST_METRICS__RETENTION__KEEP_DAYS", "31".to_owned()),
    ];
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let (status, said) = start(&settings).await;
    assert!(!status.success());
    assert!(
        said.contains("must be more than analytics.days_behind = 31"),
        "{said}"
    );
}

#[tokio::test]
async fn wrong_credentials_keep_the_service_from_starting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 8_192]);
            let _ = connection.write_all(
                b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 47\r\n\r\n\
                  <Error><Code>InvalidAccessKeyId</Code></Error>\n",
            );
        }
    });

    let (status, said) = start(&[
        (URL, "s3://shop-archive/metrics"),
        ("AWS_ENDPOINT", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "wrong"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2"),
    ])
    .await;

    assert!(!status.success());
    let named = "retention.store_url = s3://shop-archive/metrics: the object store refuses";
    assert!(said.contains(named), "{said}");
    assert!(said.contains("InvalidAccessKeyId"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
