use proptest::prelude::*;

use super::*;

const DIRTY: &[u8] = include_bytes!("../../tests/fixtures/dirty.csv");
const HEADER: &str =
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";

fn dirty(limit: Option<usize>, ratio: &str) -> Plan {
    Plan::from_bytes(DIRTY, limit, ratio.parse().unwrap()).unwrap()
}

fn invoices(plan: &Plan) -> Vec<&str> {
    plan.orders
        .iter()
        .map(|order| order.invoice.as_str())
        .collect()
}

fn stock(plan: &Plan) -> Vec<(&str, i64)> {
    plan.items
        .iter()
        .map(|item| (item.sku.as_str(), item.stock))
        .collect()
}

fn fault(rows: &str) -> String {
    let text = format!("{HEADER}\n{rows}");
    let error = Plan::from_bytes(text.as_bytes(), None, Ratio::ONE).unwrap_err();
    error.to_string()
}

#[test]
fn each_kind_of_dirt_is_counted_in_its_place() {
    let plan = dirty(None, "1");

    assert_eq!(plan.invoices_read, 10);
    assert_eq!(invoices(&plan), ["100001", "100002", "100009", "100010"]);
    assert_eq!(plan.skipped.cancellation, 2);
    assert_eq!(plan.skipped.adjustment, 2);
    assert_eq!(plan.skipped.empty, 1);
    assert_eq!(
        plan.skipped.others,
        BTreeMap::from([("letter_X".to_owned(), 1)])
    );
    assert_eq!(
        plan.dropped,
        Dropped {
            quantity: 2,
            price: 3
        }
    );
}

#[test]
fn an_invoice_of_one_number_is_one_order_also_when_another_stands_between() {
    let plan = dirty(None, "1");
    let first = &plan.orders[0];

    let lines: Vec<_> = first
        .lines
        .iter()
        .map(|line| (line.sku.as_str(), line.quantity, line.price_minor))
        .collect();
    assert_eq!(
        lines,
        [
            ("85123A", 6, 255),
            ("85123a", 2, 250),
            ("85123A", 1, 295),
            ("21777", 3, 795)
        ]
    );
    assert_eq!(
        (first.units, first.minor_units),
        (12, 6 * 255 + 500 + 295 + 3 * 795)
    );
    assert_eq!(first.customer_ref, "17850");
    assert_eq!(plan.orders[1].customer_ref, "guest");
}

#[test]
fn the_stock_is_the_demand_of_the_sent_lines_times_the_ratio_rounded_down() {
    assert_eq!(
        stock(&dirty(None, "0.9")),
        [
            ("21777", 6),
            ("22139", 9),
            ("85123A", 6),
            ("85123a", 1),
            ("BANK CHARGES", 2),
            ("gift_0001_40", 0)
        ]
    );
}

#[test]
fn an_item_is_named_by_its_first_description_and_priced_by_its_first_line() {
    let plan = dirty(None, "1");
    let item = |sku: &str| {
        let found = plan.items.iter().find(|item| item.sku.as_str() == sku);
        found.map(|item| (item.name.as_str(), item.price_minor))
    };

    assert_eq!(item("22139"), Some(("RETROSPOT TEA SET, \"CERAMIC\"", 425)));
    assert_eq!(item("BANK CHARGES"), Some(("BANK CHARGES", 1_500)));
    assert_eq!(item("85123A"), Some(("WHITE HANGING HEART", 255)));
}

#[test]
fn a_limit_means_the_first_invoices_and_nothing_after_them() {
    let plan = dirty(Some(3), "1");

    assert_eq!(plan.invoices_read, 3);
    assert_eq!(invoices(&plan), ["100001", "100002"]);
    assert_eq!(plan.skipped.total(), 1);
    assert_eq!(plan.dropped, Dropped::default());
    assert_eq!(
        stock(&plan),
        [
            ("21777", 3),
            ("22139", 10),
            ("85123A", 7),
            ("85123a", 2),
            ("BANK CHARGES", 3)
        ]
    );
    assert_eq!(dirty(Some(0), "1").invoices_read, 0);
    assert_eq!(dirty(Some(99), "1"), dirty(None, "1"));
}

#[test]
fn the_digest_tells_what_would_be_sent() {
    let whole = dirty(None, "1").digest();

    assert_eq!(whole.len(), 16);
    assert_eq!(whole, dirty(Some(99), "1.0").digest());
    assert_ne!(whole, dirty(None, "0.9").digest());
    assert_ne!(whole, dirty(Some(3), "1").digest());
}

#[test]
fn what_is_no_known_dirt_stops_the_plan_and_names_the_line() {
    assert_eq!(
        fault("1,X,x,1,d,1.00,1,UK\n2,X,x,one,d,1.00,1,UK"),
        "line 3: the quantity \"one\" is not a whole number"
    );
    assert_eq!(
        fault("1,X,x,1,d,cheap,1,UK"),
        "line 2: the price \"cheap\" is not a decimal number"
    );
    assert_eq!(
        fault("1,,x,1,d,1.00,1,UK"),
        "line 2: a SKU must not be empty"
    );
    assert!(fault(",X,x,1,d,1.00,1,UK").starts_with("line 2: an invoice number has"));
    assert_eq!(fault("1,X,x"), "the file is not CSV");
    assert!(fault("1,X,x,9223372036854775807,d,2,1,UK").starts_with("invoice 1: the sum"));
    assert!(matches!(
        Plan::from_bytes(b"InvoiceNo,StockCode\n", None, Ratio::ONE),
        Err(PlanError::MissingColumn("Description"))
    ));
}

fn rows() -> impl Strategy<Value = Vec<(String, String, i64, String)>> {
    let number = prop_oneof![4 => "[1-9]", 1 => "C[1-3]", 1 => "A[1-3]", 1 => "[xYz][1-2]"];
    let price =
        prop_oneof![3 => "[1-9]\\.[0-9]{2}", 1 => "0\\.00", 1 => "-1\\.50", 1 => "0\\.00[1-9]"];
    prop::collection::vec((number, "[A-Ca-c]", -3_i64..9, price), 0..60)
}

fn file(rows: &[(String, String, i64, String)]) -> String {
    let lines = rows.iter().map(|(number, sku, quantity, price)| {
        format!("{number},{sku},n,{quantity},d,{price},7,UK")
    });
    std::iter::once(HEADER.to_owned())
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

proptest! {
    #[test]
    fn every_invoice_and_every_line_is_accounted_for(rows in rows(), limit in prop::option::of(0_usize..12)) {
        let ratio: Ratio = "0.7".parse().unwrap();
        let plan = Plan::from_bytes(file(&rows).as_bytes(), limit, ratio).unwrap();

        let mut numbers: Vec<&str> = Vec::new();
        for (number, ..) in &rows {
            if !numbers.contains(&number.as_str()) {
                numbers.push(number);
            }
        }
        numbers.truncate(limit.unwrap_or(usize::MAX));
        let kept = rows
            .iter()
            .filter(|(number, ..)| numbers.contains(&number.as_str()) && number.len() == 1)
            .count();
        let dropped = plan.dropped.quantity + plan.dropped.price;
        prop_assert_eq!(plan.invoices_read, numbers.len() as u64);
        prop_assert_eq!(plan.orders.len() as u64 + plan.skipped.total(), plan.invoices_read);
        prop_assert_eq!(plan.lines() as u64 + dropped, kept as u64);
        for item in &plan.items {
            let lines = plan.orders.iter().flat_map(|order| &order.lines);
            let demanded: i64 = lines.filter(|line| line.sku == item.sku).map(|line| line.quantity).sum();
            prop_assert_eq!(item.demanded, demanded);
            prop_assert_eq!(item.stock, demanded * 7 / 10);
        }
        for order in &plan.orders {
            prop_assert!(!order.lines.is_empty());
            prop_assert_eq!(order.units, order.lines.iter().map(|line| line.quantity).sum::<i64>());
        }
    }
}
