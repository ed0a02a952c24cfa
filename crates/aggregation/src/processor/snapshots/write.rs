//! Writing a snapshot. The form is the one that `read` reads, top down.

use super::{MAGIC, SnapshotKind};
use crate::codec::{put_bytes, put_float, put_signed, put_varint};
use crate::name::Name;
use crate::processor::MetricsProcessor;
use crate::series::Series;
use crate::tally::Tally;
use crate::tenant::{Book, Irregularities, Tenant};

impl MetricsProcessor {
    pub(super) fn write(&self, kind: SnapshotKind, now_ms: i64) -> Vec<u8> {
        self.count_waiting(None);
        let mut bytes = MAGIC.to_vec();
        bytes.push(match kind {
            SnapshotKind::Running => 0,
            SnapshotKind::Final => 1,
        });
        put_signed(&mut bytes, now_ms);
        put_signed(&mut bytes, self.all_since_ms());
        for tenant in self.all_tenants() {
            let mut book = tenant.book();
            if !book.forgotten {
                bytes.push(1);
                self.write_tenant(&tenant, &mut book, &mut bytes);
            }
        }
        bytes.push(0);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_le_bytes());
        bytes
    }

    fn write_tenant(&self, tenant: &Tenant, book: &mut Book, bytes: &mut Vec<u8>) {
        bytes.extend(book.tenant.as_uuid().as_bytes());
        put_irregularities(bytes, &tenant.irregularities());
        put_varint(bytes, book.ledger.len() as u64);
        for (name, producer) in book.ledger.take() {
            put_bytes(bytes, name.as_bytes());
            put_varint(bytes, producer.highest);
            put_signed(bytes, producer.last_ms);
            producer
                .seen
                .iter()
                .for_each(|&word| put_varint(bytes, word));
        }
        for (name, address) in book.all() {
            let stripe = self.stripe(address.hash);
            if let Some(series) = stripe.get(address) {
                bytes.push(1);
                put_series(bytes, name, series);
            }
        }
        bytes.push(0);
    }
}

fn put_irregularities(bytes: &mut Vec<u8>, noted: &Irregularities) {
    let Irregularities {
        late,
        overflowed,
        too_old,
        in_future,
        invalid,
        duplicate,
    } = *noted;
    for count in [late, overflowed, too_old, in_future, invalid, duplicate] {
        put_varint(bytes, count);
    }
}

fn put_series(bytes: &mut Vec<u8>, name: Name, series: &Series) {
    put_bytes(bytes, name.as_bytes());
    for (second, tally) in series.seconds.between(i64::MIN, i64::MAX) {
        bytes.push(1);
        put_signed(bytes, second);
        put_tally(bytes, &tally);
    }
    bytes.push(0);
    for found in series.minutes.between(i64::MIN, i64::MAX) {
        bytes.push(1);
        put_signed(bytes, found.minute);
        put_tally(bytes, &found.tally);
        put_bytes(bytes, &found.sketch.encode());
    }
    bytes.push(0);
}

fn put_tally(bytes: &mut Vec<u8>, tally: &Tally) {
    put_varint(bytes, tally.count);
    put_float(bytes, tally.sum);
    put_float(bytes, tally.min);
    put_float(bytes, tally.max);
}
