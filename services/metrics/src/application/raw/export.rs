//! Takes a tenant's events or sums away as a file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tradepost_service::Tasks;
use tradepost_types::TenantId;

use super::NotRead;
use super::merge::Merge;
use super::source::{Place, files};
use crate::application::room::{NoRoom, Room, Share};
use crate::domain::{EventType, Grain, Range};
use crate::metrics::{ExportEnd, ExportMetrics};
use crate::ports::{
    Archived, Cut, EventsQuestion, Order, RawEvents, Sheet, SheetError, SheetKind, Sheets,
    StoreError, StoredEvent, Sum, SumsQuestion,
};

/// Rows that are written at once.
const ROWS_AT_ONCE: usize = 4_096;
/// The most bytes of a piece.
const PIECE_BYTES_MAX: usize = 256 << 10;
/// Pieces that wait for their reader; no more is read until they are gone.
const PIECES_MAX: usize = 4;
/// Archived files that one export may reach into: of a year, each day's and some late ones.
const EXPORT_FILES_MAX: usize = 4_096;

/// Bounds of exports.
#[derive(Debug, Clone, Copy)]
pub struct ExportLimits {
    /// How many at once, half of them for one tenant. Each holds a connection to the database.
    pub at_once: usize,
    /// The most rows of one.
    pub rows_max: u64,
    /// How long one may take: for so long the database keeps the moment that it is of.
    pub time_max: Duration,
}

/// What is in the file.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Sums by time and event type.
    Sums {
        /// By what time.
        grain: Grain,
        /// Of which event types; none: of all.
        types: Vec<EventType>,
    },
    /// Single events.
    Events {
        /// Of this event type; none: of any.
        event_type: Option<EventType>,
    },
}

/// A file that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOrder {
    /// Whose.
    pub tenant: TenantId,
    /// Of when.
    pub range: Range,
    /// What is in it.
    pub content: Content,
    /// In which form.
    pub kind: SheetKind,
}

/// Why there is no file, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum NotExported {
    /// As many as may be are under way.
    #[error("too many exports are under way")]
    Busy,
    /// As many of the tenant as may be are under way.
    #[error("too many exports of the tenant are under way")]
    TenantBusy,
    /// It has more rows than one may have.
    #[error("the export has more than {rows_max} rows; take a shorter range")]
    TooLarge {
        /// The most.
        rows_max: u64,
    },
    /// It took longer than one may.
    #[error("the export took longer than {seconds_max} seconds; take a shorter range")]
    TooSlow {
        /// The most.
        seconds_max: u64,
    },
    /// The process ends.
    #[error("the process is ending")]
    Draining,
    /// What should be in it cannot be read.
    #[error(transparent)]
    NotRead(#[from] NotRead),
    /// It cannot be written.
    #[error(transparent)]
    Sheet(#[from] SheetError),
    /// What wrote it is gone.
    #[error("the export broke off")]
    BrokenOff,
}

impl NotExported {
    /// As what it counts.
    const fn end(&self) -> ExportEnd {
        match self {
            Self::Busy
            | Self::TenantBusy
            | Self::TooLarge { .. }
            | Self::TooSlow { .. }
            | Self::Draining => ExportEnd::Refused,
            Self::NotRead(_) | Self::Sheet(_) | Self::BrokenOff => ExportEnd::Failed,
        }
    }
}

impl From<NoRoom> for NotExported {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::All => Self::Busy,
            NoRoom::Tenant => Self::TenantBusy,
        }
    }
}

impl From<StoreError> for NotExported {
    fn from(error: StoreError) -> Self {
        Self::NotRead(error.into())
    }
}

/// A file on its way. Dropped, it is no longer written.
pub struct Export {
    pieces: mpsc::Receiver<Bytes>,
    ended: Option<oneshot::Receiver<Result<(), NotExported>>>,
}

impl Export {
    /// The next piece; none is the end of a whole file.
    ///
    /// # Errors
    /// [`NotExported`]: what came before is not all.
    pub async fn next(&mut self) -> Result<Option<Bytes>, NotExported> {
        if let Some(piece) = self.pieces.recv().await {
            return Ok(Some(piece));
        }
        match self.ended.take() {
            // A writer that is gone without a word was not done.
            Some(ended) => ended
                .await
                .unwrap_or(Err(NotExported::BrokenOff))
                .map(|()| None),
            None => Ok(None),
        }
    }
}

/// Where exports begin. Cheap to clone.
#[derive(Clone)]
pub struct Exports {
    store: RawEvents,
    archive: Option<Archived>,
    sheets: Sheets,
    limits: ExportLimits,
    metrics: ExportMetrics,
    places: Arc<Room>,
    tasks: Tasks,
    shutdown: CancellationToken,
}

impl Exports {
    /// Exports within these limits, ended by `shutdown`.
    #[must_use]
    pub fn new(
        (store, archive): (RawEvents, Option<Archived>),
        sheets: Sheets,
        limits: ExportLimits,
        metrics: ExportMetrics,
        (tasks, shutdown): (Tasks, CancellationToken),
    ) -> Self {
        Self {
            store,
            archive,
            sheets,
            limits,
            metrics,
            places: Arc::new(Room::halved(limits.at_once)),
            tasks,
            shutdown,
        }
    }

    /// The same, out of that archive too.
    #[must_use]
    pub fn reaching(self, archive: Archived) -> Self {
        let archive = Some(archive);
        Self { archive, ..self }
    }

    /// Begins a file. What is known to be too large is refused here.
    ///
    /// # Errors
    /// [`NotExported`].
    pub async fn begin(&self, order: ExportOrder) -> Result<Export, NotExported> {
        let begun = self.try_begin(order).await;
        if let Err(why) = &begun {
            self.metrics.ended(why.end());
        }
        begun
    }

    async fn try_begin(&self, order: ExportOrder) -> Result<Export, NotExported> {
        let place = Room::take(&self.places, order.tenant, 1)?;
        if self.shutdown.is_cancelled() {
            return Err(NotExported::Draining);
        }
        let mut cut = self.store.cut(order.tenant, self.limits.time_max).await?;
        self.check_size(cut.as_mut(), &order).await?;
        let (pieces, taken) = mpsc::channel(PIECES_MAX);
        let (end, ended) = oneshot::channel();
        let this = self.clone();
        let work = async move { this.run(place, (cut, order), pieces, end).await };
        drop(self.tasks.detach(work));
        Ok(Export {
            pieces: taken,
            ended: Some(ended),
        })
    }

    /// Refuses what has too many rows, as far as sums say.
    async fn check_size(&self, cut: &mut dyn Cut, order: &ExportOrder) -> Result<(), NotExported> {
        let rows = match &order.content {
            Content::Sums { grain, types } => {
                let count = sums_question(order, (*grain, types), self.limits.rows_max + 1);
                cut.sums_count(&count).await?
            }
            Content::Events { event_type } => {
                cut.events_count(order.range, event_type.as_ref()).await?
            }
        };
        self.check_rows(rows)
    }

    fn check_rows(&self, rows: u64) -> Result<(), NotExported> {
        let rows_max = self.limits.rows_max;
        if rows > rows_max {
            return Err(NotExported::TooLarge { rows_max });
        }
        Ok(())
    }

    /// Writes until the file is whole, its reader is gone, its time is up or the process ends.
    async fn run(
        &self,
        place: Share,
        (cut, order): (Box<dyn Cut>, ExportOrder),
        pieces: mpsc::Sender<Bytes>,
        end: oneshot::Sender<Result<(), NotExported>>,
    ) {
        let started = Instant::now();
        let outcome = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => Err(NotExported::Draining),
            () = pieces.closed() => {
                self.metrics.ended(ExportEnd::Left);
                return self.metrics.took(started.elapsed());
            }
            () = tokio::time::sleep(self.limits.time_max) => {
                let seconds_max = self.limits.time_max.as_secs();
                Err(NotExported::TooSlow { seconds_max })
            }
            outcome = self.write(cut, &order, &pieces) => outcome,
        };
        // Before the reader sees the end, which may be followed by its next export.
        drop(place);
        let end_of_it = outcome
            .as_ref()
            .map_or_else(NotExported::end, |()| ExportEnd::Whole);
        self.metrics.ended(end_of_it);
        self.metrics.took(started.elapsed());
        let _reader_gone = end.send(outcome);
    }

    async fn write(
        &self,
        cut: Box<dyn Cut>,
        order: &ExportOrder,
        pieces: &mpsc::Sender<Bytes>,
    ) -> Result<(), NotExported> {
        match &order.content {
            Content::Sums { grain, types } => {
                let sheet = self.sheets.sums(order.kind)?;
                let question = sums_question(order, (*grain, types), ROWS_AT_ONCE as u64);
                self.fill(sheet, SumRows(cut, question), pieces).await
            }
            Content::Events { event_type } => {
                let sheet = self.sheets.events(order.kind, order.tenant)?;
                let events = self.events(cut, order, event_type.clone()).await?;
                self.fill(sheet, events, pieces).await
            }
        }
    }

    /// Single events of the database and the archive.
    async fn events(
        &self,
        mut cut: Box<dyn Cut>,
        order: &ExportOrder,
        event_type: Option<EventType>,
    ) -> Result<Merge, NotExported> {
        let question = EventsQuestion {
            tenant: order.tenant,
            range: order.range,
            event_type,
            after: None,
            limit: 0,
        };
        let found = files(cut.as_mut(), order.range, EXPORT_FILES_MAX).await?;
        let mut places = Vec::with_capacity(found.len() + 1);
        for file in &found {
            let archive = self.archive.as_ref().ok_or(NotRead::ArchiveAway)?;
            let wanted = (&question, order.range);
            places.push(Place::in_order(archive, file, wanted, Order::OldestFirst));
        }
        places.push(Place::of_database(cut, question));
        Ok(Merge::new(places, Order::OldestFirst))
    }

    /// Fills a sheet with rows and sends what is written, as fast as it is taken.
    async fn fill<T>(
        &self,
        mut sheet: Box<dyn Sheet<T>>,
        mut rows: impl Rows<T>,
        pieces: &mpsc::Sender<Bytes>,
    ) -> Result<(), NotExported>
    where
        T: Send + Sync + 'static,
    {
        let mut written = 0;
        loop {
            let next = rows.next().await?;
            if next.is_empty() {
                let rest = tokio::task::spawn_blocking(move || sheet.finish()).await;
                let rest = rest.map_err(|_panicked| NotExported::BrokenOff)??;
                return self.send(rest, pieces).await;
            }
            written += next.len() as u64;
            self.check_rows(written)?;
            self.metrics.rows(next.len() as u64);
            // A group of Parquet takes its time; calls that are counted in microseconds run here.
            let wrote = tokio::task::spawn_blocking(move || {
                let wrote = sheet.write(&next);
                (sheet, wrote)
            });
            let wrote = wrote.await.map_err(|_panicked| NotExported::BrokenOff)?;
            sheet = wrote.0;
            wrote.1?;
            self.send(sheet.take(), pieces).await?;
        }
    }

    /// Sends bytes in pieces. A reader that is gone ends the whole elsewhere.
    async fn send(&self, bytes: Vec<u8>, pieces: &mpsc::Sender<Bytes>) -> Result<(), NotExported> {
        self.metrics.bytes(bytes.len());
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE_BYTES_MAX));
            let sent = pieces.send(piece).await;
            sent.map_err(|_reader_gone| NotExported::BrokenOff)?;
        }
        Ok(())
    }
}

fn sums_question(
    order: &ExportOrder,
    (grain, types): (Grain, &[EventType]),
    limit: u64,
) -> SumsQuestion {
    SumsQuestion {
        tenant: order.tenant,
        grain,
        range: order.range,
        types: types.to_vec(),
        after: None,
        limit: i64::try_from(limit).unwrap_or(i64::MAX),
    }
}

/// What is exported, page by page.
trait Rows<T>: Send {
    /// The next rows; none is the end.
    fn next(&mut self) -> impl Future<Output = Result<Vec<T>, NotExported>> + Send;
}

struct SumRows(Box<dyn Cut>, SumsQuestion);

impl Rows<Sum> for SumRows {
    async fn next(&mut self) -> Result<Vec<Sum>, NotExported> {
        let Self(cut, question) = self;
        let sums = cut.sums(question).await?;
        if let Some(last) = sums.last() {
            question.after = Some((last.start_ms, last.event_type.clone()));
        }
        Ok(sums)
    }
}

impl Rows<StoredEvent> for Merge {
    async fn next(&mut self) -> Result<Vec<StoredEvent>, NotExported> {
        Ok(Self::next(self, ROWS_AT_ONCE).await?)
    }
}
