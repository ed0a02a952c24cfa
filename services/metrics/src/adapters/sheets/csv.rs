//! RFC 4180: a header line, CRLF, quotes where they are needed.
//!
//! A spreadsheet takes a text that begins with `=`, `+`, `-`, `@`, a tab or a line break for a
//! formula, and users are named by whoever sends events. Such a text gets an apostrophe in front,
//! and so does one that begins with an apostrophe: whoever reads the file as data takes one leading apostrophe away, and
//! has every user as it was sent. Numbers are numbers and stay as they are.

use std::borrow::Cow;
use std::io;
use std::mem;
use std::sync::{Mutex, PoisonError};

use csv::{Terminator, Writer, WriterBuilder};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::{Figures, failed};
use crate::ports::{Sheet, SheetError, StoredEvent, Sum};

const EVENT_COLUMNS: [&str; 5] = ["event_time", "event_id", "event_type", "user_id", "value"];
const SUM_COLUMNS: [&str; 12] = [
    "start_time",
    "event_type",
    "count",
    "sum",
    "sum_of_squares",
    "min",
    "max",
    "mean",
    "distinct_users",
    "p50",
    "p90",
    "p99",
];

/// RFC 3339 with milliseconds.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Where lines go until they are taken: the writer lends what it writes to for reading only.
#[derive(Debug, Default)]
struct Sink(Mutex<Vec<u8>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines, and how a row becomes one.
pub(super) struct Lines<T> {
    writer: Writer<Sink>,
    line: fn(&mut Writer<Sink>, &T) -> Result<(), SheetError>,
}

/// A file of single events.
pub(super) fn events() -> Result<Lines<StoredEvent>, SheetError> {
    Lines::new(&EVENT_COLUMNS, event)
}

/// A file of sums.
pub(super) fn sums() -> Result<Lines<Sum>, SheetError> {
    Lines::new(&SUM_COLUMNS, sum)
}

impl<T> Lines<T> {
    fn new(
        columns: &[&str],
        line: fn(&mut Writer<Sink>, &T) -> Result<(), SheetError>,
    ) -> Result<Self, SheetError> {
        let mut writer = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .from_writer(Sink::default());
        writer.write_record(columns).map_err(failed)?;
        Ok(Self { writer, line })
    }
}

impl<T> Sheet<T> for Lines<T> {
    fn write(&mut self, rows: &[T]) -> Result<(), SheetError> {
        rows.iter()
            .try_for_each(|row| (self.line)(&mut self.writer, row))
    }

    fn take(&mut self) -> Vec<u8> {
        // What is still in its buffer comes later.
        self.writer.get_ref().take()
    }

    fn finish(self: Box<Self>) -> Result<Vec<u8>, SheetError> {
        let sink = self.writer.into_inner();
        let sink = sink.map_err(|error| failed(error.to_string()))?;
        Ok(sink.take())
    }
}

fn event(writer: &mut Writer<Sink>, event: &StoredEvent) -> Result<(), SheetError> {
    let mut field = |field: &[u8]| writer.write_field(field).map_err(failed);
    field(moment(event.at_ms)?.as_bytes())?;
    field(event.id.to_string().as_bytes())?;
    field(harmless(&event.event_type).as_bytes())?;
    field(harmless(&event.user).as_bytes())?;
    field(number(event.value).as_bytes())?;
    end(writer)
}

fn sum(writer: &mut Writer<Sink>, sum: &Sum) -> Result<(), SheetError> {
    let figures = Figures::of(sum);
    let mut field = |field: &[u8]| writer.write_field(field).map_err(failed);
    field(moment(sum.start_ms)?.as_bytes())?;
    field(harmless(&sum.event_type).as_bytes())?;
    field(figures.count.to_string().as_bytes())?;
    let Figures {
        sum,
        sum_of_squares,
        min,
        max,
        mean,
        ..
    } = figures;
    for value in [sum, sum_of_squares, min, max, mean] {
        field(number(value).as_bytes())?;
    }
    field(figures.distinct_users.to_string().as_bytes())?;
    for value in figures.percentiles {
        field(number(value).as_bytes())?;
    }
    end(writer)
}

fn end(writer: &mut Writer<Sink>) -> Result<(), SheetError> {
    writer.write_record(None::<&[u8]>).map_err(failed)
}

fn moment(at_ms: i64) -> Result<String, SheetError> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    at.map_err(failed)?.format(TIME).map_err(failed)
}

/// The shortest text that is read back as the same number.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-5..1e16).contains(&size) {
        return format!("{value:e}");
    }
    value.to_string()
}

/// A text that no spreadsheet calculates.
fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'']) {
        return format!("'{text}").into();
    }
    text.into()
}
