//! From rows to invoices, and from invoices to orders, catalogue and stock.

use std::collections::{BTreeMap, HashMap};

use tradepost_types::Sku;

use super::amount;
use super::rows::{Row, rows};
use super::{Dropped, Plan, PlanError, PlannedItem, PlannedLine, PlannedOrder, Ratio, Skipped};

const INVOICE_BYTES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 200;
const GUEST: &str = "guest";

/// The rows of one invoice, in file order.
pub(super) struct Invoice {
    number: String,
    rows: Vec<Row>,
}

/// The first `limit` invoices of the file. All rows of a number belong to one invoice, also when
/// rows of another stand between them; rows of later invoices are not looked at.
pub(super) fn invoices(text: &str, limit: Option<usize>) -> Result<Vec<Invoice>, PlanError> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut invoices: Vec<Invoice> = Vec::new();
    for row in rows(text)? {
        let row = row?;
        if let Some(known) = places
            .get(&row.invoice)
            .and_then(|&place| invoices.get_mut(place))
        {
            known.rows.push(row);
        } else if invoices.len() < limit {
            check_number(&row)?;
            places.insert(row.invoice.clone(), invoices.len());
            invoices.push(Invoice {
                number: row.invoice.clone(),
                rows: vec![row],
            });
        }
    }
    Ok(invoices)
}

fn check_number(row: &Row) -> Result<(), PlanError> {
    let number = &row.invoice;
    let sized = (1..=INVOICE_BYTES_MAX).contains(&number.len());
    if sized && !number.chars().any(char::is_control) {
        return Ok(());
    }
    let fault = "an invoice number has 1 to 64 bytes and no control character";
    Err(faulty(row, fault.to_owned()))
}

fn faulty(row: &Row, fault: String) -> PlanError {
    let line = row.line;
    PlanError::Row { line, fault }
}

/// The whole plan.
pub(super) fn plan(invoices: Vec<Invoice>, ratio: Ratio) -> Result<Plan, PlanError> {
    let mut plan = Plan {
        invoices_read: 0,
        orders: Vec::new(),
        items: Vec::new(),
        skipped: Skipped::default(),
        dropped: Dropped::default(),
        ratio,
    };
    let mut items = BTreeMap::new();
    for invoice in invoices {
        plan.invoices_read += 1;
        if let Some(letter) = invoice.number.chars().next().filter(|c| c.is_alphabetic()) {
            skip(&mut plan.skipped, letter);
            continue;
        }
        match order(&invoice, &mut plan.dropped, &mut items)? {
            Some(order) => plan.orders.push(order),
            None => plan.skipped.empty += 1,
        }
    }
    for item in items.values_mut() {
        item.stock = ratio.of(item.demanded).ok_or_else(|| PlanError::Overflow {
            invoice: format!("of item {}", item.sku),
        })?;
    }
    plan.items = items.into_values().collect();
    Ok(plan)
}

/// The retailer writes both cases of these letters.
fn skip(skipped: &mut Skipped, letter: char) {
    match letter {
        'C' | 'c' => skipped.cancellation += 1,
        'A' | 'a' => skipped.adjustment += 1,
        other => *skipped.others.entry(format!("letter_{other}")).or_default() += 1,
    }
}

/// The order of an invoice, or `None` if no line is left.
fn order(
    invoice: &Invoice,
    dropped: &mut Dropped,
    items: &mut BTreeMap<Sku, PlannedItem>,
) -> Result<Option<PlannedOrder>, PlanError> {
    let overflow = || PlanError::Overflow {
        invoice: invoice.number.clone(),
    };
    let mut lines = Vec::new();
    let (mut units, mut minor_units) = (0_i64, 0_i64);
    for row in &invoice.rows {
        let Some(line) = line(row, dropped)? else {
            continue;
        };
        let total = line.quantity.checked_mul(line.price_minor);
        let sum = total.and_then(|total| minor_units.checked_add(total));
        minor_units = sum.ok_or_else(overflow)?;
        units = units.checked_add(line.quantity).ok_or_else(overflow)?;
        demand(items, row, &line).ok_or_else(overflow)?;
        lines.push(line);
    }
    let Some(first) = invoice.rows.first().filter(|_| !lines.is_empty()) else {
        return Ok(None);
    };
    Ok(Some(PlannedOrder {
        invoice: invoice.number.clone(),
        customer_ref: customer(&first.customer),
        country: first.country.trim().to_owned(),
        lines,
        units,
        minor_units,
    }))
}

/// The line of a row, or `None` if it is dropped.
fn line(row: &Row, dropped: &mut Dropped) -> Result<Option<PlannedLine>, PlanError> {
    let quantity = amount::quantity(&row.quantity).map_err(|fault| faulty(row, fault))?;
    if quantity <= 0 {
        dropped.quantity += 1;
        return Ok(None);
    }
    let Some(price_minor) = amount::price(&row.price).map_err(|fault| faulty(row, fault))? else {
        dropped.price += 1;
        return Ok(None);
    };
    let sku = row.stock_code.parse::<Sku>();
    Ok(Some(PlannedLine {
        sku: sku.map_err(|error| faulty(row, error.to_string()))?,
        quantity,
        price_minor,
    }))
}

/// Adds a line to the demand of its item; `None` if the sum is too large.
fn demand(items: &mut BTreeMap<Sku, PlannedItem>, row: &Row, line: &PlannedLine) -> Option<()> {
    let item = items
        .entry(line.sku.clone())
        .or_insert_with(|| PlannedItem {
            sku: line.sku.clone(),
            name: String::new(),
            price_minor: line.price_minor,
            demanded: 0,
            stock: 0,
        });
    item.demanded = item.demanded.checked_add(line.quantity)?;
    if item.name.is_empty() || item.name == item.sku.as_str() {
        item.name = name(&row.description, &item.sku);
    }
    Some(())
}

fn name(description: &str, sku: &Sku) -> String {
    let printable = description.trim().chars().filter(|c| !c.is_control());
    let name: String = printable.take(NAME_CHARS_MAX).collect();
    if name.is_empty() {
        return sku.as_str().to_owned();
    }
    name
}

/// The number as a person would write it: spreadsheets turn 17850 into 17850.0.
fn customer(text: &str) -> String {
    let text = text.trim();
    let number = text.strip_suffix(".0").unwrap_or(text);
    if number.is_empty() { GUEST } else { number }.to_owned()
}
