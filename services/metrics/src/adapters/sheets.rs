//! Files for people and programs elsewhere: RFC 4180 and Apache Parquet (ADR 37).

mod csv;
mod parquet;

#[cfg(test)]
mod tests;

use tradepost_types::TenantId;

use crate::ports::{Sheet, SheetError, SheetKind, SheetMaker, StoredEvent, Sum};

/// Begins both forms.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSheets;

impl SheetMaker for FileSheets {
    fn events(
        &self,
        kind: SheetKind,
        tenant: TenantId,
    ) -> Result<Box<dyn Sheet<StoredEvent>>, SheetError> {
        Ok(match kind {
            SheetKind::Csv => Box::new(csv::events()?),
            SheetKind::Parquet => Box::new(parquet::Events::new(tenant)?),
        })
    }

    fn sums(&self, kind: SheetKind) -> Result<Box<dyn Sheet<Sum>>, SheetError> {
        Ok(match kind {
            SheetKind::Csv => Box::new(csv::sums()?),
            SheetKind::Parquet => Box::new(parquet::Sums::new()?),
        })
    }
}

/// What a file says of a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figures {
    count: u64,
    sum: f64,
    sum_of_squares: f64,
    min: f64,
    max: f64,
    mean: f64,
    distinct_users: u64,
    /// The median, and what 90 and 99 of 100 are at most.
    percentiles: [f64; 3],
}

impl Figures {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mean is not exact beyond 2^53 events"
    )]
    fn of(sum: &Sum) -> Self {
        let rollup = &sum.rollup;
        // As QueryEvents says it: no less than the least value, no more than the greatest.
        let percentile = |q| {
            let value = rollup.sketch.quantile(q).unwrap_or_default();
            value.max(rollup.min).min(rollup.max)
        };
        Self {
            count: rollup.n,
            sum: rollup.sum,
            sum_of_squares: rollup.sum_of_squares,
            min: rollup.min,
            max: rollup.max,
            mean: if rollup.n == 0 {
                0.0
            } else {
                rollup.sum / rollup.n as f64
            },
            distinct_users: rollup.users.estimate(),
            percentiles: [percentile(0.5), percentile(0.9), percentile(0.99)],
        }
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SheetError {
    SheetError(error.into())
}
