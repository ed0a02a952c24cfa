//! Reading a snapshot whose checksum was right. It is read as if it were not: what does not fit the
//! form is an error, and nothing is trusted to be as long as it says.

use tradepost_types::TenantId;

use super::SnapshotError;
use crate::codec::Reader;
use crate::event::{self, DAY_MINUTES, LATE_WINDOW_MS, minute_of};
use crate::ledger::Producer;
use crate::name::Name;
use crate::processor::MetricsProcessor;
use crate::sketch::Sketch;
use crate::stripe::Address;
use crate::tally::Tally;
use crate::tenant::{Book, Irregularities};

/// What is read, and from when on it is still of use.
struct Reading<'a> {
    reader: Reader<'a>,
    minutes: std::ops::RangeInclusive<i64>,
    seconds: std::ops::RangeInclusive<i64>,
}

impl MetricsProcessor {
    pub(super) fn read_from(&self, content: &[u8], now_ms: i64) -> Result<(), SnapshotError> {
        let newest = minute_of(now_ms).saturating_add(1);
        let second = now_ms.div_euclid(1_000);
        let mut reading = Reading {
            reader: Reader::new(content),
            minutes: newest.saturating_sub(DAY_MINUTES)..=newest,
            seconds: second.saturating_sub(LATE_WINDOW_MS / 1_000)..=second.saturating_add(5),
        };
        let kind = reading.reader.byte();
        let times = (reading.reader.signed(), reading.reader.signed());
        let (_taken_ms, Some(since_ms)) = times else {
            return Err(SnapshotError::Damaged);
        };
        *self.others_since_ms() = match kind {
            // What was missed may have been ahead of the clock.
            Some(0) => since_ms.max(now_ms),
            Some(1) => since_ms,
            _ => return Err(SnapshotError::Damaged),
        };
        while reading.another()? {
            self.read_tenant(&mut reading)?;
        }
        if reading.reader.left() > 0 {
            return Err(SnapshotError::Damaged);
        }
        Ok(())
    }

    fn read_tenant(&self, reading: &mut Reading<'_>) -> Result<(), SnapshotError> {
        let id = reading.reader.array().ok_or(SnapshotError::Damaged)?;
        let id = TenantId::from_uuid(uuid::Uuid::from_bytes(id));
        let noted = reading.irregularities().ok_or(SnapshotError::Damaged)?;
        self.with_book(id, |tenant, book| {
            tenant.irregularities().merge(&noted);
            self.read_producers(reading, book)?;
            while reading.another()? {
                self.read_series(reading, book)?;
            }
            Ok(())
        })
        .unwrap_or(Err(SnapshotError::DoesNotFit))
    }

    fn read_producers(
        &self,
        reading: &mut Reading<'_>,
        book: &mut Book,
    ) -> Result<(), SnapshotError> {
        let count = reading.reader.varint().ok_or(SnapshotError::Damaged)?;
        for _ in 0..count {
            let (name, producer) = reading.producer().ok_or(SnapshotError::Damaged)?;
            if !self.take_producer(book.ledger.len()) {
                return Err(SnapshotError::DoesNotFit);
            }
            book.ledger.insert(name, producer);
        }
        Ok(())
    }

    fn read_series(&self, reading: &mut Reading<'_>, book: &mut Book) -> Result<(), SnapshotError> {
        let name = reading
            .reader
            .counted_bytes()
            .ok_or(SnapshotError::Damaged)?;
        let address = if name == Name::overflow().as_bytes() {
            self.overflow(book)
        } else {
            let name = std::str::from_utf8(name)
                .ok()
                .filter(|name| event::event_type(name).is_ok());
            let located = name.map(|name| self.locate(book, name));
            located
                .ok_or(SnapshotError::Damaged)?
                .ok()
                .map(|(address, _)| address)
        };
        let address = address.ok_or(SnapshotError::DoesNotFit)?;
        self.read_times(reading, address)
    }

    fn read_times(&self, reading: &mut Reading<'_>, address: Address) -> Result<(), SnapshotError> {
        let mut stripe = self.stripe(address.hash);
        let (series, room) = stripe.get_mut(address).ok_or(SnapshotError::Damaged)?;
        while reading.another()? {
            let (second, tally) = reading.time().ok_or(SnapshotError::Damaged)?;
            if reading.seconds.contains(&second) {
                series.seconds.merge(second, &tally);
            }
        }
        while reading.another()? {
            let (minute, tally) = reading.time().ok_or(SnapshotError::Damaged)?;
            let sketch = reading
                .reader
                .counted_bytes()
                .ok_or(SnapshotError::Damaged)?;
            let sketch = match sketch {
                [] => None,
                bytes => Some(Sketch::decode(bytes).map_err(|_error| SnapshotError::Damaged)?),
            };
            if reading.minutes.contains(&minute) {
                series.minutes.merge(minute, &tally, sketch.as_ref(), room);
            }
        }
        stripe.make_room();
        Ok(())
    }
}

impl Reading<'_> {
    /// Whether one more of what is being read follows.
    fn another(&mut self) -> Result<bool, SnapshotError> {
        match self.reader.byte() {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(SnapshotError::Damaged),
        }
    }

    fn irregularities(&mut self) -> Option<Irregularities> {
        Some(Irregularities {
            late: self.reader.varint()?,
            overflowed: self.reader.varint()?,
            too_old: self.reader.varint()?,
            in_future: self.reader.varint()?,
            invalid: self.reader.varint()?,
            duplicate: self.reader.varint()?,
        })
    }

    fn producer(&mut self) -> Option<(Name, Producer)> {
        let name = std::str::from_utf8(self.reader.counted_bytes()?).ok()?;
        let (highest, last_ms) = (self.reader.varint()?, self.reader.signed()?);
        let mut seen = [0; _];
        for word in &mut seen {
            *word = self.reader.varint()?;
        }
        Some((
            Name::producer(name)?,
            Producer::restored(highest, seen, last_ms),
        ))
    }

    fn time(&mut self) -> Option<(i64, Tally)> {
        let time = self.reader.signed()?;
        let tally = Tally {
            count: self.reader.varint()?,
            sum: self.reader.float()?,
            min: self.reader.float()?,
            max: self.reader.float()?,
        };
        let numbers = tally.sum.is_finite() && tally.min.is_finite() && tally.max.is_finite();
        (numbers && tally.count > 0).then_some((time, tally))
    }
}
