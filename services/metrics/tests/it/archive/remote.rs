//! The same journey with the files in S3 and in Google's store.

use std::process::ExitStatus;

use super::bucket::{Bucket, Maker};
use super::crashes::dies_with;
use super::support::{Depot, OLD_DAYS, assert_swept, day_ago};
use crate::support::{SOON, command};

const MAKERS: [Maker; 2] = [Maker::Amazon, Maker::Google];

async fn run(depot: &Depot, bucket: &Bucket, arguments: &[&str]) -> (ExitStatus, String) {
    let mut builder = command(&depot.test_database, arguments);
    for (name, value) in bucket.settings() {
        builder = builder.env(name, value);
    }
    let mut process = builder.spawn();
    let status = process.wait(SOON).await;
    (status, process.log())
}

#[tokio::test]
async fn days_leave_for_a_remote_store_and_come_back() {
    for maker in MAKERS {
        let depot = Depot::stocked().await;
        let bucket = Bucket::over(&depot.folder.0, maker).await;
        let day = day_ago(800).to_string();

        let (status, said) = run(&depot, &bucket, &["archive", "run"]).await;
        assert!(status.success(), "{maker:?}: {said}");
        for ago in OLD_DAYS {
            assert_eq!(depot.state(ago).await.unwrap().word(), "dropped");
        }
        depot.assert_whole().await;
        assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
        assert_eq!(bucket.unfinished(), 0, "{maker:?}");

        let (status, said) = run(&depot, &bucket, &["restore", &day]).await;
        assert!(status.success(), "{maker:?}: {said}");
        assert!(said.contains("is loaded: 360 rows"), "{maker:?}: {said}");
        depot.assert_whole().await;
    }
}

#[tokio::test]
async fn whoever_dies_while_a_file_goes_to_a_remote_store_loses_nothing() {
    for maker in MAKERS {
        for point in ["metrics.archive.uploading", "metrics.archive.after_publish"] {
            let depot = Depot::stocked().await;
            let bucket = Bucket::over(&depot.folder.0, maker).await;
            dies_with(&depot, point, [1, 2], &bucket.settings()).await;
        }
    }
}

#[tokio::test]
async fn a_remote_store_without_the_bucket_is_named() {
    for (maker, scheme) in [(Maker::Amazon, "s3"), (Maker::Google, "gs")] {
        let depot = Depot::stocked().await;
        let bucket = Bucket::over(&depot.folder.0, maker).await;
        let mut builder = command(&depot.test_database, &["archive", "run"]);
        for (name, value) in bucket.settings() {
            builder = builder.env(name, value);
        }
        let elsewhere = format!("{scheme}://shop-archvie/events");
        let builder = builder.env("TRADEPOST_METRICS__RETENTION__STORE_URL", &elsewhere);
        let mut process = builder.spawn();

        let status = process.wait(SOON).await;

        let said = process.log();
        assert!(!status.success(), "{said}");
        assert!(said.contains(&elsewhere), "{said}");
        assert!(said.contains("there is no such bucket"), "{said}");
        assert_eq!(depot.state(800).await, None, "{maker:?}");
    }
}
