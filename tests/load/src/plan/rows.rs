//! The rows of the CSV file, found by the names of its columns.

use csv::StringRecord;

use super::PlanError;

const COLUMNS: [&str; 7] = [
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "UnitPrice",
    "CustomerID",
    "Country",
];

/// One row, its texts as they are.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) invoice: String,
    pub(super) stock_code: String,
    pub(super) description: String,
    pub(super) quantity: String,
    pub(super) price: String,
    pub(super) customer: String,
    pub(super) country: String,
}

/// Reads all rows.
pub(super) fn rows(
    text: &str,
) -> Result<impl Iterator<Item = Result<Row, PlanError>> + use<'_>, PlanError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let places = places(reader.headers()?)?;
    Ok(reader
        .into_records()
        .map(move |record| Ok(row(&record?, places))))
}

fn places(header: &StringRecord) -> Result<[usize; 7], PlanError> {
    let mut places = [0; 7];
    for (place, name) in places.iter_mut().zip(COLUMNS) {
        *place = header
            .iter()
            .position(|column| column.trim() == name)
            .ok_or(PlanError::MissingColumn(name))?;
    }
    Ok(places)
}

fn row(record: &StringRecord, places: [usize; 7]) -> Row {
    let [
        invoice,
        stock_code,
        description,
        quantity,
        price,
        customer,
        country,
    ] = places.map(|place| record.get(place).unwrap_or_default().to_owned());
    Row {
        line: record.position().map_or(0, csv::Position::line),
        invoice,
        stock_code,
        description,
        quantity,
        price,
        customer,
        country,
    }
}
