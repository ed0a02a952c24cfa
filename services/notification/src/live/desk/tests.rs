use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;
use tradepost_types::TenantId;

use super::*;
use crate::ports::{Entry, Past, Snapshot, StoreError, StreamKey, Tail, Whose};

const KIB: usize = 1_024;
const PORTION: Portion = Portion {
    entries: 300,
    bytes: 128 * KIB,
};

/// Every stream has entries of this size without end; how many bytes each answer had.
struct Full {
    entry_bytes: usize,
    answers: Mutex<Vec<usize>>,
}

#[async_trait]
impl Past for Full {
    async fn open(&self, _readers: &[Reader]) -> Result<Vec<Opened>, StoreError> {
        Ok(Vec::new())
    }

    async fn entries(&self, gaps: &[Gap], portion: Portion) -> Result<Vec<Vec<Entry>>, StoreError> {
        let enough = portion.bytes.div_ceil(self.entry_bytes);
        let piece = |gap: &Gap| {
            let entries = (gap.after + 1..=gap.upto).take(enough).map(|seq| Entry {
                key: gap.key.clone(),
                seq,
                stored_ms: 0,
                text: Bytes::from(vec![b'a'; self.entry_bytes]),
            });
            entries.collect::<Vec<_>>()
        };
        let pieces: Vec<_> = gaps.iter().map(piece).collect();
        let entries = pieces.iter().map(Vec::len).sum::<usize>();
        self.answers
            .lock()
            .unwrap()
            .push(entries * self.entry_bytes);
        // Others ask meanwhile.
        tokio::task::yield_now().await;
        Ok(pieces)
    }

    async fn tail(&self, _since: Option<Snapshot>, _limit: u32) -> Result<Tail, StoreError> {
        unreachable!("nobody looks")
    }
}

fn desk(entry_bytes: usize) -> (Desk, Arc<Full>) {
    let full = Arc::new(Full {
        entry_bytes,
        answers: Mutex::default(),
    });
    let tasks = Tasks::new(CancellationToken::new());
    let desk = Desk::new(&tasks, Arc::clone(&full) as _, None, PORTION);
    (desk, full)
}

/// A piece of each of so many streams.
fn gaps(streams: usize, upto: u64) -> Vec<Gap> {
    let tenant = TenantId::new();
    let of = |number: usize| Gap {
        key: StreamKey {
            tenant,
            whose: Whose::User(format!("user-{number}").parse().unwrap()),
        },
        after: 0,
        upto,
    };
    (0..streams).map(of).collect()
}

#[tokio::test]
async fn what_is_loaded_at_once_is_bounded_however_many_come_back() {
    let (desk, full) = desk(20 * KIB);
    let (clients, all) = (1_000, 300 * 20 * KIB);

    let asked = gaps(clients, 300);
    let asked = asked.into_iter().map(|gap| desk.fetch(vec![gap]));
    let fetched = join_all(asked).await;

    // What does not fit is not given at all.
    assert_eq!(fetched.len(), clients);
    assert!(
        fetched
            .iter()
            .all(|one| matches!(one.as_deref(), Ok([None])))
    );
    let answers = full.answers.lock().unwrap();
    let most = answers.iter().max().copied().unwrap();
    assert!(most <= GAPS_MAX * (PORTION.bytes + 20 * KIB), "{most}");
    assert!(answers.iter().sum::<usize>() < clients * all / 10);
}

#[tokio::test]
async fn a_client_is_given_no_more_of_all_its_streams_than_it_may_have() {
    let (desk, _) = desk(10 * KIB);

    let fetched = desk.fetch(gaps(40, 3)).await.unwrap();

    // A frame is a little larger than its text: the fifth piece of 30 KiB has no room.
    let given: Vec<usize> = fetched.iter().flatten().map(Vec::len).collect();
    assert_eq!(fetched.len(), 40);
    assert_eq!(given, [3; 4]);
    assert!(fetched[..4].iter().all(Option::is_some));
}

#[tokio::test]
async fn who_misses_the_same_is_answered_from_one_reading() {
    let (desk, full) = desk(KIB);
    let gap = gaps(1, 5);

    let fetched = join_all((0..50).map(|_| desk.fetch(gap.clone()))).await;

    let frame = |one: &Result<Vec<Option<Piece>>, NoAnswer>| {
        let piece = one.as_ref().unwrap()[0].clone().unwrap();
        Way::text(&piece[0].1).as_ptr()
    };
    let first = frame(&fetched[0]);
    assert!(fetched.iter().all(|one| frame(one) == first), "framed once");
    assert_eq!(*full.answers.lock().unwrap(), [5 * KIB]);
}
