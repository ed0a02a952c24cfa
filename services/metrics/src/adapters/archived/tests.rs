//! What was archived is read back in either order; what is missing or damaged is an error.

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tradepost_types::TenantId;

use super::ArchivedFiles;
use crate::adapters::parquet::{EventWriter, FileEvent};
use crate::domain::{EventType, Range};
use crate::ports::{
    ArchiveFiles, ArchiveReadError, ArchivedFile, FileQuestion, Order, StoredEvent,
};

const PATH: &str = "dt=2024-01-01/part-0.parquet";
const EVENTS: i64 = 50_000;

/// A file with as many events of each of three tenants, one a millisecond.
async fn archived() -> (Arc<dyn ObjectStore>, Vec<TenantId>, ArchivedFile) {
    let mut tenants: Vec<_> = (0..3).map(|_| TenantId::new()).collect();
    tenants.sort();
    let mut writer = EventWriter::new(Vec::new()).unwrap();
    for &tenant in &tenants {
        for at_ms in 0..EVENTS {
            let event = FileEvent {
                tenant,
                at_ms,
                id: at_ms,
                event_type: if at_ms % 5 == 0 { "b" } else { "a" },
                user: "ada",
                value: 0.5,
            };
            writer.push(&event).unwrap();
        }
    }
    let (bytes, facts) = writer.finish().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    store.put(&Path::from(PATH), bytes.into()).await.unwrap();
    let file = ArchivedFile {
        path: PATH.to_owned(),
        bytes: facts.bytes,
        rows: EVENTS.unsigned_abs(),
        first_ms: 0,
        last_ms: EVENTS - 1,
    };
    (store, tenants, file)
}

fn question(tenant: TenantId, start_ms: i64, end_ms: i64, order: Order) -> FileQuestion {
    FileQuestion {
        tenant,
        range: Range { start_ms, end_ms },
        event_type: None,
        order,
    }
}

async fn read(
    store: &Arc<dyn ObjectStore>,
    file: &ArchivedFile,
    question: &FileQuestion,
) -> Result<Vec<StoredEvent>, ArchiveReadError> {
    let mut reading = ArchivedFiles::new(Arc::clone(store)).read(file, question);
    let mut events = Vec::new();
    while let Some(more) = reading.more().await? {
        events.extend(more);
    }
    Ok(events)
}

#[tokio::test]
async fn a_range_is_read_in_either_order() {
    let (store, tenants, file) = archived().await;
    let upwards = question(tenants[1], 7_000, 31_000, Order::OldestFirst);
    let mut downwards = question(tenants[1], 7_000, 31_000, Order::NewestFirst);

    let up = read(&store, &file, &upwards).await.unwrap();
    let down = read(&store, &file, &downwards).await.unwrap();
    downwards.event_type = Some(EventType::try_from("b").unwrap());
    let some = read(&store, &file, &downwards).await.unwrap();

    let times: Vec<i64> = up.iter().map(|event| event.at_ms).collect();
    assert_eq!(times, (7_000..31_000).collect::<Vec<_>>());
    assert!(up.iter().rev().eq(&down));
    assert!(
        down.iter()
            .filter(|event| event.event_type == "b")
            .eq(&some)
    );
}

#[tokio::test]
async fn a_file_that_is_gone_cut_off_or_has_other_events_is_an_error() {
    let (store, tenants, file) = archived().await;
    let all = question(tenants[0], 0, EVENTS, Order::OldestFirst);
    assert_eq!(read(&store, &file, &all).await.unwrap().len(), 50_000);

    let more = ArchivedFile {
        rows: file.rows + 1,
        ..file.clone()
    };
    assert!(read(&store, &more, &all).await.is_err());
    let path = Path::from(PATH);
    let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
    store
        .put(&path, bytes.slice(..bytes.len() - 9).into())
        .await
        .unwrap();
    assert!(read(&store, &file, &all).await.is_err());
    store.delete(&path).await.unwrap();
    assert!(read(&store, &file, &all).await.is_err());
}
