//! The process is killed anywhere; the next one goes on, and nothing is lost or twice.

use tradepost_testkit::{Process, Trust, eventually, free_port};

use super::support::{Depot, FILE_ROWS, OLD_DAYS, assert_swept, day_ago, quiet};
use crate::support::{SOON, command};

type Settings = [(&'static str, String)];

/// The process over a depot, in whose `serve` days are archived.
fn machine(depot: &Depot, trust: &Trust, crash: Option<(&str, u32)>, store: &Settings) -> Process {
    let local = |port: u16| format!("127.0.0.1:{port}");
    let mut builder = command(&depot.test_database, &[])
        .env("TRADEPOST_METRICS__SERVER__LISTEN_ADDR", local(free_port()))
        .env("TRADEPOST_METRICS__SERVER__ADMIN_ADDR", local(free_port()))
        .env(
            "TRADEPOST_METRICS__SERVER__AUTH__TRUST_PATH",
            trust.trust_path(),
        )
        .env("TRADEPOST_METRICS__RETENTION__LATE_HOURS", "0")
        .env("TRADEPOST_METRICS__RETENTION__POLL_SECONDS", "1")
        .env(
            "TRADEPOST_METRICS__RETENTION__FILE_ROWS_MAX",
            FILE_ROWS.to_string(),
        );
    for (name, value) in store {
        builder = builder.env(*name, value);
    }
    if let Some((point, hit)) = crash {
        builder = builder
            .env("TRADEPOST_METRICS__SERVER__CRASH__POINT", point)
            .env("TRADEPOST_METRICS__SERVER__CRASH__HIT", hit.to_string());
    }
    builder.spawn()
}

/// Dies at each of these passes of a point, and starts again; at the end all is archived.
async fn dies(depot: &Depot, point: &str, hits: impl IntoIterator<Item = u32>) {
    let url = (
        "TRADEPOST_METRICS__RETENTION__STORE_URL",
        depot.folder.url(),
    );
    dies_with(depot, point, hits, &[url]).await;
}

/// See [`dies`]; files are where the settings say.
pub(super) async fn dies_with(
    depot: &Depot,
    point: &str,
    hits: impl IntoIterator<Item = u32>,
    store: &Settings,
) {
    let trust = Trust::new();
    for hit in hits {
        let mut process = machine(depot, &trust, Some((point, hit)), store);
        let status = process.wait(SOON).await;
        assert!(!status.success(), "it did not die at pass {hit} of {point}");
        depot.assert_whole().await;
    }
    let _alive = machine(depot, &trust, None, store);
    eventually("all days at rest", SOON, async || {
        let open = "select count(*) from archive_days
            where state not in ('dropped', 'restored') or not swept";
        let known = depot.count("select count(*) from archive_days").await;
        (known > 0 && depot.count(open).await == 0).then_some(())
    })
    .await;
    depot.assert_whole().await;
    assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
}

async fn leaves_whole(point: &str, hits: impl IntoIterator<Item = u32>) {
    let depot = Depot::stocked().await;
    dies(&depot, point, hits).await;
    for ago in OLD_DAYS {
        assert_eq!(depot.state(ago).await.unwrap().word(), "dropped", "{point}");
    }
}

#[tokio::test]
async fn it_may_die_before_each_step() {
    // Each process dies at the first step that it comes to, or at the one after.
    leaves_whole("metrics.archive.before_step", [1, 2, 2, 2, 2, 2]).await;
}

#[tokio::test]
async fn it_may_die_after_each_step() {
    // Two days are taken side by side: a death may follow a step of each.
    leaves_whole("metrics.archive.after_step", [1; 5]).await;
}

#[tokio::test]
async fn it_may_die_wherever_days_that_are_taken_together_stand() {
    // One of them may be read while the other one is moved, or be two steps ahead.
    for hit in [2, 3, 5, 7] {
        leaves_whole("metrics.archive.after_step", [hit]).await;
    }
}

#[tokio::test]
async fn it_may_die_amid_an_upload_and_around_its_end() {
    for point in [
        "metrics.archive.uploading",
        "metrics.archive.before_publish",
        "metrics.archive.after_publish",
    ] {
        // Of the first day, twice; between its files; of the second day.
        leaves_whole(point, [1, 2, 4, 6]).await;
    }
}

#[tokio::test]
async fn it_may_die_between_the_files_and_their_manifest_and_before_it_sweeps() {
    for point in [
        "metrics.archive.promised",
        "metrics.archive.before_manifest",
        "metrics.archive.after_sweep",
    ] {
        leaves_whole(point, [1]).await;
    }
}

#[tokio::test]
async fn it_may_die_around_any_commit() {
    for point in ["postgres.before_commit", "postgres.after_commit"] {
        // More and more of them are the pollers' of the rest of the service.
        leaves_whole(point, [3, 4, 5, 6, 7, 8, 10, 12, 14]).await;
    }
}

#[tokio::test]
async fn it_may_die_while_a_day_is_restored() {
    for (point, hits) in [
        ("metrics.archive.loading", 1..=2),
        ("metrics.archive.loaded", 1..=1),
    ] {
        let depot = Depot::stocked().await;
        depot.archiver().once(&quiet).await.unwrap();
        depot
            .execute("update archive_days set restored_until = now()::date + 30")
            .await;
        begin_restore(&depot).await;

        dies(&depot, point, hits).await;

        assert_eq!(
            depot.state(800).await.unwrap().word(),
            "restored",
            "{point}"
        );
    }
}

/// As the command does it before it loads.
async fn begin_restore(depot: &Depot) {
    use tradepost_metrics::ports::ReturnStore;
    let until = depot.archiver().stay(None);
    depot.store.return_begin(day_ago(800), until).await.unwrap();
}
