//! Figures of several runs, and what is written of them.

use std::fmt::Write;

use serde::Serialize;

use super::Machine;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Orders a second.
    #[serde(rename = "orders/s")]
    OrdersPerSecond,
    /// Units of an item a second.
    #[serde(rename = "units/s")]
    UnitsPerSecond,
    /// Requests a second.
    #[serde(rename = "requests/s")]
    RequestsPerSecond,
    /// Events a second, or rows.
    #[serde(rename = "events/s")]
    EventsPerSecond,
    /// Kibibytes of 1,024 bytes.
    #[serde(rename = "KiB")]
    Kibibytes,
    /// Events, or rows.
    #[serde(rename = "events")]
    Events,
    /// Percent.
    #[serde(rename = "%")]
    Percent,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Bytes.
    #[serde(rename = "bytes")]
    Bytes,
    /// How many times as much.
    #[serde(rename = "times")]
    Times,
    /// Requests.
    #[serde(rename = "requests")]
    Requests,
    /// Orders.
    #[serde(rename = "orders")]
    Orders,
    /// Units of an item.
    #[serde(rename = "units")]
    Units,
    /// Megabytes of 1,000,000 bytes.
    #[serde(rename = "MB")]
    Megabytes,
}

impl Unit {
    fn label(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::OrdersPerSecond => "orders/s",
            Self::UnitsPerSecond => "units/s",
            Self::RequestsPerSecond => "requests/s",
            Self::EventsPerSecond => "events/s",
            Self::Kibibytes => "KiB",
            Self::Events => "events",
            Self::Percent => "%",
            Self::Nanoseconds => "ns",
            Self::Bytes => "bytes",
            Self::Times => "times",
            Self::Requests => "requests",
            Self::Orders => "orders",
            Self::Units => "units",
            Self::Megabytes => "MB",
        }
    }
}

/// How the figures of several runs become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fold {
    /// The middle one; of an even number the lower of the two.
    Median,
    /// The largest: what must not happen must not happen once.
    Worst,
}

/// The figures of one run, in the order they are shown, and what went wrong.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    rows: Vec<(String, f64, Unit, Fold)>,
    faults: Vec<String>,
}

impl Rows {
    /// A figure of which the median counts. Left out if nothing was measured.
    pub fn median(&mut self, name: &str, value: impl Into<Option<f64>>, unit: Unit) {
        self.push(name, value.into(), unit, Fold::Median);
    }

    /// A figure of which the largest counts.
    pub fn worst(&mut self, name: &str, value: f64, unit: Unit) {
        self.push(name, Some(value), unit, Fold::Worst);
    }

    /// Something a person should know of this run.
    pub fn tell(&mut self, fault: String) {
        self.faults.push(fault);
    }

    /// Adds those of another part of the same run.
    pub fn extend(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.faults.extend(other.faults);
    }

    fn push(&mut self, name: &str, value: Option<f64>, unit: Unit, fold: Fold) {
        if let Some(value) = value {
            let value = (value * 1e3).round() / 1e3;
            self.rows.push((name.to_owned(), value, unit, fold));
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The median of the runs, or the worst of them.
    pub value: f64,
    /// What is counted.
    pub unit: Unit,
    /// What each run measured.
    pub runs: Vec<f64>,
}

/// What a bench found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Its name.
    pub bench: String,
    /// The commit of the shop.
    pub commit: String,
    /// Where it ran.
    pub machine: Machine,
    /// What the load was.
    pub load: String,
    /// The figures.
    pub rows: Vec<Row>,
    /// Whether nothing happened that must not.
    pub clean: bool,
    /// What went wrong, for people.
    #[serde(skip)]
    pub faults: Vec<String>,
}

impl Report {
    /// Puts the runs together.
    #[must_use]
    pub fn new(bench: &str, commit: &str, load: String, runs: &[Rows]) -> Self {
        Self {
            bench: bench.to_owned(),
            commit: commit.to_owned(),
            machine: Machine::here(),
            load,
            rows: fold(runs),
            clean: !runs.iter().flat_map(|run| &run.rows).any(is_fault),
            faults: runs.iter().flat_map(|run| run.faults.clone()).collect(),
        }
    }

    /// The figures as a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let width = self
            .rows
            .iter()
            .map(|row| row.name.chars().count())
            .max()
            .unwrap_or(0);
        let mut table = format!(
            "{} at {}, {}\n{}\n\n",
            self.bench, self.commit, self.machine, self.load
        );
        for row in &self.rows {
            let runs: Vec<String> = row.runs.iter().map(f64::to_string).collect();
            // Writing to a text does not fail.
            let _ = writeln!(
                table,
                "{:width$}  {:>12} {:<9} {}",
                row.name,
                row.value,
                row.unit.label(),
                runs.join("  "),
            );
        }
        table
    }
}

fn is_fault((_, value, _, fold): &(String, f64, Unit, Fold)) -> bool {
    *fold == Fold::Worst && *value > 0.0
}

fn fold(runs: &[Rows]) -> Vec<Row> {
    let mut rows: Vec<(Row, Fold)> = Vec::new();
    for (name, value, unit, fold) in runs.iter().flat_map(|run| &run.rows) {
        if let Some((row, _)) = rows.iter_mut().find(|(row, _)| row.name == *name) {
            row.runs.push(*value);
            continue;
        }
        let row = Row {
            name: name.clone(),
            value: *value,
            unit: *unit,
            runs: vec![*value],
        };
        rows.push((row, *fold));
    }
    rows.into_iter()
        .map(|(mut row, fold)| {
            let mut sorted = row.runs.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let middle = match fold {
                Fold::Median => sorted.get((sorted.len() - 1) / 2),
                Fold::Worst => sorted.last(),
            };
            row.value = middle.copied().unwrap_or(row.value);
            row
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(latency: f64, failed: f64) -> Rows {
        let mut rows = Rows::default();
        rows.median("idle p99", latency, Unit::Milliseconds);
        rows.median("never measured", None, Unit::Seconds);
        rows.worst("failed", failed, Unit::Orders);
        rows
    }

    #[test]
    fn a_figure_is_the_median_of_its_runs_and_a_fault_is_the_worst() {
        let runs = [run(30.0, 0.0), run(10.0, 2.0), run(20.0004, 0.0)];

        let report = Report::new("orders", "abc", "little".to_owned(), &runs);

        let figures: Vec<_> = report
            .rows
            .iter()
            .map(|row| (row.name.as_str(), row.value))
            .collect();
        assert_eq!(figures, [("idle p99", 20.0), ("failed", 2.0)]);
        assert_eq!(report.rows[0].runs, [30.0, 10.0, 20.0]);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["rows"][0]["unit"], "ms");
        assert!(!report.clean && Report::new("", "", String::new(), &runs[..1]).clean);
        assert!(report.table().contains("idle p99            20 ms"));
    }
}
