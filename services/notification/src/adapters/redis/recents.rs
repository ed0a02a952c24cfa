//! The last entries of each stream, for those who missed some. They are under the epoch's name, so
//! that those of another history are never found.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Pipeline, RedisResult};
use tradepost_notifications::stream::Epoch;
use tradepost_redis::{Link, Missed};

use super::parcel;
use crate::metrics::NodeMetrics;
use crate::nodes::KnownEpoch;
use crate::ports::{Entry, Gap, Recent, StreamKey, Whose};

/// Entries of a stream that are kept. Exactly: a trimmed stream would be taken for a whole one by
/// nobody, but more would be more memory.
const KEPT_MAX: u64 = 100;
/// For how long after the last one.
const KEPT_SECONDS: u32 = 600;
/// Gaps that one answer is about, and entries of them; others are asked after it. Redis does not
/// say beforehand how many bytes they are.
const GAPS_MAX: usize = 100;
const ENTRIES_MAX: u64 = 500;
const ENTRY: &str = "e";

/// An entry of a Redis Stream: its id, and its fields one after the other.
type Row = (String, Vec<Vec<u8>>);

/// What was told lately, as Redis has it.
#[derive(Debug)]
pub struct RedisRecents {
    link: Arc<Link>,
    budget: Duration,
    epoch: Arc<KnownEpoch>,
    metrics: NodeMetrics,
}

impl RedisRecents {
    pub(super) const fn new(
        link: Arc<Link>,
        budget: Duration,
        epoch: Arc<KnownEpoch>,
        metrics: NodeMetrics,
    ) -> Self {
        Self {
            link,
            budget,
            epoch,
            metrics,
        }
    }

    async fn ask(&self, epoch: &Epoch, gaps: &[Gap]) -> Option<Vec<Option<Vec<Entry>>>> {
        let mut commands = redis::pipe();
        commands.ignore_errors();
        for gap in gaps {
            let range = commands.cmd("XRANGE").arg(name(epoch, &gap.key));
            range.arg(gap.after.saturating_add(1)).arg(gap.upto);
        }
        let asked = self.link.ask(self.budget, async |connection| {
            let asking = commands.query_async::<Vec<RedisResult<Vec<Row>>>>(connection);
            asking.await
        });
        match asked.await {
            Ok(answers) => {
                let whole = gaps.iter().zip(answers);
                Some(whole.map(|(gap, rows)| entries(gap, rows.ok()?)).collect())
            }
            Err(Missed::Failed(error)) => {
                tracing::debug!(event = "nodes.recent_failed", %error, "Redis did not say");
                None
            }
            Err(Missed::Open | Missed::Late) => None,
        }
    }
}

#[async_trait]
impl Recent for RedisRecents {
    async fn recent(&self, gaps: &[Gap], bytes_max: usize) -> Vec<Option<Vec<Entry>>> {
        let mut found = vec![None; gaps.len()];
        let Some(epoch) = self.epoch.get() else {
            return found;
        };
        for places in batches(gaps) {
            let wanted = places.iter().filter_map(|place| gaps.get(*place));
            let wanted: Vec<Gap> = wanted.cloned().collect();
            let Some(answers) = self.ask(&epoch, &wanted).await else {
                break;
            };
            for (place, answer) in places.into_iter().zip(answers) {
                if let Some(found) = found.get_mut(place) {
                    *found = answer.filter(|entries| bytes(entries) <= bytes_max);
                }
            }
        }
        let whole = found.iter().flatten().count();
        self.metrics.recents(whole, found.len() - whole);
        found
    }
}

/// Writes an entry among the last of its stream. Redis refuses it if a later one is there.
pub(super) fn keep(commands: &mut Pipeline, epoch: &Epoch, entry: &Entry) {
    let name = name(epoch, &entry.key);
    let add = commands.cmd("XADD").arg(&name);
    add.arg("MAXLEN").arg(KEPT_MAX);
    add.arg(format!("{}-0", entry.seq));
    add.arg(ENTRY).arg(parcel::seal_entry(entry)).ignore();
    commands.cmd("EXPIRE").arg(&name).arg(KEPT_SECONDS).ignore();
}

fn may_be_kept(gap: &Gap) -> bool {
    gap.upto > gap.after && gap.upto - gap.after <= KEPT_MAX
}

/// The places of the gaps that are asked for, and which of them together.
fn batches(gaps: &[Gap]) -> Vec<Vec<usize>> {
    let (mut batches, mut batch, mut entries) = (Vec::new(), Vec::new(), 0);
    for (place, gap) in gaps.iter().enumerate() {
        if !may_be_kept(gap) {
            continue;
        }
        if batch.len() >= GAPS_MAX || entries >= ENTRIES_MAX {
            batches.push(std::mem::take(&mut batch));
            entries = 0;
        }
        batch.push(place);
        entries += gap.upto - gap.after;
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

fn bytes(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| entry.text.len()).sum()
}

/// All entries of a gap, or none.
fn entries(gap: &Gap, rows: Vec<Row>) -> Option<Vec<Entry>> {
    let read = rows.into_iter().map(|(_id, fields)| {
        let mut fields = fields.into_iter();
        let name = fields.next()?;
        (name == ENTRY.as_bytes()).then_some(())?;
        parcel::open_entry(Bytes::from(fields.next()?))
    });
    let entries: Vec<Entry> = read.collect::<Option<_>>()?;
    let is_whole = entries
        .iter()
        .map(|entry| entry.seq)
        .eq(gap.after + 1..=gap.upto)
        && entries.iter().all(|entry| entry.key == gap.key);
    is_whole.then_some(entries)
}

fn name(epoch: &Epoch, key: &StreamKey) -> String {
    let tenant = key.tenant.as_uuid().simple();
    let epoch = &epoch.0;
    match &key.whose {
        Whose::User(user) => format!(
            "notification:recent:{epoch}:{tenant}:user:{}",
            user.as_str()
        ),
        Whose::Group(group) => {
            format!(
                "notification:recent:{epoch}:{tenant}:group:{}",
                group.as_str()
            )
        }
    }
}
