//! The marks of streams that are behind, by two hands at one time.

use std::thread;
use std::time::{Duration, Instant};

use tradepost_notifications::stream::Stream;
use tradepost_types::TenantId;

use super::world::{hub, key};
use crate::config::LiveConfig;
use crate::live::hub::lock;
use crate::ports::Follow;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn a_gap_that_comes_while_gaps_are_looked_for_stays_noted() {
    let hub = hub(&LiveConfig::default());
    let key = key(TenantId::new(), &Stream::User);
    // Of a stream that nobody follows any more.
    lock(&hub.behind).insert(key.clone());

    thread::scope(|scope| {
        // The look is held up where it asks who follows the stream.
        let followed = lock(hub.stream_shard(&key));
        let looking = scope.spawn(|| hub.gaps(&[]));
        let started = Instant::now();
        while !lock(&hub.behind).is_empty() {
            assert!(
                started.elapsed() < SOON,
                "the marks are not taken out first"
            );
            thread::yield_now();
        }
        // By somebody who follows it anew.
        lock(&hub.behind).insert(key.clone());
        drop(followed);
        assert_eq!(looking.join().unwrap(), []);
    });

    assert!(lock(&hub.behind).contains(&key));
}
