//! What is written into a file is what is read out of it, by others.

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use proptest::prelude::*;
use tradepost_types::TenantId;

use super::FileSheets;
use crate::adapters::parquet::{EventReader, Wanted};
use crate::ports::{SheetKind, SheetMaker, StoredEvent, Sum};
use crate::rollup::Folding;

fn event(at_ms: i64, id: i64, user: &str, value: f64) -> StoredEvent {
    StoredEvent {
        at_ms,
        id,
        event_type: "order.placed".to_owned(),
        user: user.to_owned(),
        value,
    }
}

fn file(kind: SheetKind, pages: &[&[StoredEvent]]) -> Vec<u8> {
    let mut sheet = FileSheets.events(kind, TenantId::new()).unwrap();
    let mut bytes = Vec::new();
    for page in pages {
        sheet.write(page).unwrap();
        bytes.extend(sheet.take());
    }
    bytes.extend(sheet.finish().unwrap());
    bytes
}

fn parsed(bytes: &[u8]) -> Vec<csv::StringRecord> {
    let records = csv::Reader::from_reader(bytes).into_records();
    records.map(Result::unwrap).collect()
}

#[test]
fn csv_has_a_header_crlf_and_times_of_rfc_3339() {
    let events = [
        event(-1, 7, "", -0.5),
        event(1_763_746_174_123, 8, "a,\"b\"\n", 1e300),
    ];

    let bytes = file(SheetKind::Csv, &[&events]);

    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "event_time,event_id,event_type,user_id,value\r\n\
         1969-12-31T23:59:59.999Z,7,order.placed,,-0.5\r\n\
         2025-11-21T17:29:34.123Z,8,order.placed,\"a,\"\"b\"\"\n\",1e300\r\n"
    );
}

#[test]
fn a_file_of_nothing_is_a_file() {
    let bytes = file(SheetKind::Csv, &[]);
    assert_eq!(bytes, b"event_time,event_id,event_type,user_id,value\r\n");

    let bytes = file(SheetKind::Parquet, &[]);
    assert_eq!(EventReader::open(bytes.into()).unwrap().layout().rows(), 0);
}

proptest! {
    #[test]
    fn no_user_is_a_formula_and_each_is_read_back(user in "[=+@\\-\t\r\n' a\",]{0,4}", value in any::<f64>()) {
        prop_assume!(value.is_finite());
        let bytes = file(SheetKind::Csv, &[&[event(0, 1, &user, value)]]);

        let records = parsed(&bytes);

        let cell = &records[0][3];
        prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
        prop_assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), user);
        prop_assert_eq!(records[0][4].parse::<f64>().unwrap().to_bits(), value.to_bits());
    }
}

#[test]
fn parquet_is_read_back_over_many_pages() {
    let pages: Vec<Vec<StoredEvent>> = (0..40)
        .map(|page| (0..4_096).map(|at| event(page, at, "ada", 0.25)).collect())
        .collect();
    let lent: Vec<&[StoredEvent]> = pages.iter().map(Vec::as_slice).collect();

    let bytes = file(SheetKind::Parquet, &lent);

    let mut found = Vec::new();
    let reader = EventReader::open(bytes.into()).unwrap();
    for block in reader.scan(Wanted::All).unwrap() {
        let block = block.unwrap();
        let events = block.events().map(Result::unwrap);
        found.extend(events.map(|read| event(read.at_ms, read.id, read.user, read.value)));
    }
    assert!(found == pages.concat());
}

#[test]
fn sums_say_the_same_in_both_forms() {
    let mut folding = Folding::default();
    let tenant = TenantId::new();
    for value in [1.0, 2.0, 6.0] {
        folding.add(tenant, 1, 86_400_000, (value, None));
    }
    let rollup = folding.finish().days.remove(0).1;
    let sum = Sum {
        event_type: "order.placed".to_owned(),
        start_ms: 86_400_000,
        rollup,
    };
    let file = |kind| {
        let mut sheet = FileSheets.sums(kind).unwrap();
        sheet.write(std::slice::from_ref(&sum)).unwrap();
        let mut bytes = sheet.take();
        bytes.extend(sheet.finish().unwrap());
        bytes
    };

    let records = parsed(&file(SheetKind::Csv));
    let reader = SerializedFileReader::new(bytes::Bytes::from(file(SheetKind::Parquet))).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();

    let head: Vec<&str> = records[0].iter().take(8).collect();
    let wanted = [
        "1970-01-02T00:00:00.000Z",
        "order.placed",
        "3",
        "9",
        "41",
        "1",
        "6",
        "3",
    ];
    assert_eq!(head, wanted);
    assert_eq!((records.len(), rows.len()), (1, 1));
    let fields: Vec<&Field> = rows[0].get_column_iter().map(|(_, field)| field).collect();
    assert_eq!(fields[0], &Field::TimestampMillis(86_400_000));
    assert_eq!(fields[1], &Field::Str("order.placed".to_owned()));
    for (field, cell) in fields.iter().zip(&records[0]).skip(2) {
        let number = if let Field::Long(number) = field {
            *number as f64
        } else if let Field::Double(number) = field {
            *number
        } else {
            panic!("{field} is no number")
        };
        assert_eq!(number, cell.parse::<f64>().unwrap());
    }
}
