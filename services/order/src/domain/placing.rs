//! From what the caller wants to an order with prices: the rules of acceptance.

use std::collections::HashMap;

use tradepost_types::{Currency, Money, OrderId, Quantity, Sku, TenantId};

use super::event::{Event, EventKind};
use super::order::{Address, Details, Line};
use super::phase::{Asked, Phase, Saga};

/// What the caller wants, well-formed but without prices.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The customer.
    pub customer_ref: String,
    /// The currency of every price.
    pub currency: Currency,
    /// The lines.
    pub lines: Vec<DraftLine>,
    /// Where the goods go.
    pub address: Address,
    /// The card provider's token.
    pub payment_method: String,
}

/// One line without its price.
#[derive(Debug, Clone)]
pub struct DraftLine {
    /// The item.
    pub sku: Sku,
    /// Units.
    pub quantity: Quantity,
    /// A price agreed with the customer.
    pub agreed_price: Option<Money>,
}

/// What the catalogue says of an item.
#[derive(Debug, Clone)]
pub struct CatalogueItem {
    /// What people read.
    pub name: String,
    /// The list price of a unit.
    pub price: Money,
    /// The weight of a unit.
    pub weight_grams: i64,
    /// Whether it can be ordered.
    pub active: bool,
}

/// An accepted order on its way into the store.
#[derive(Debug, Clone)]
pub struct NewOrder {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: OrderId,
    /// What was agreed.
    pub details: Details,
    /// The lines with their prices.
    pub lines: Vec<Line>,
}

/// Why an order is not accepted. Lines count from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceFault {
    /// No item has this SKU.
    #[error("no item has this SKU")]
    UnknownSku {
        /// The lines.
        lines: Vec<(usize, Sku)>,
    },
    /// The item cannot be ordered.
    #[error("the item cannot be ordered now")]
    ItemInactive {
        /// The lines.
        lines: Vec<(usize, Sku)>,
    },
    /// The price is in another currency.
    #[error("the price is in another currency than the order")]
    CurrencyMismatch {
        /// The lines.
        lines: Vec<(usize, Sku)>,
    },
    /// The total, the units or the weight do not fit.
    #[error("the order is too large: its total, units or weight cannot be represented")]
    TotalTooLarge,
}

impl NewOrder {
    /// Prices the draft.
    ///
    /// # Errors
    /// See [`PlaceFault`]; of several faults the first in its order, with all lines it hits.
    pub fn price(
        tenant: TenantId,
        id: OrderId,
        draft: Draft,
        catalogue: &HashMap<Sku, CatalogueItem>,
    ) -> Result<Self, PlaceFault> {
        let currency = draft.currency;
        let hit = |fault: fn(Option<&CatalogueItem>, &DraftLine, Currency) -> bool| {
            let lines = draft.lines.iter().enumerate();
            let hit: Vec<_> = lines
                .filter(|(_, line)| fault(catalogue.get(&line.sku), line, currency))
                .map(|(index, line)| (index, line.sku.clone()))
                .collect();
            (!hit.is_empty()).then_some(hit)
        };
        if let Some(lines) = hit(|item, _, _| item.is_none()) {
            return Err(PlaceFault::UnknownSku { lines });
        }
        if let Some(lines) = hit(|item, _, _| item.is_some_and(|item| !item.active)) {
            return Err(PlaceFault::ItemInactive { lines });
        }
        if let Some(lines) = hit(|item, line, currency| {
            let list_price = item.map(|item| item.price);
            let price = line.agreed_price.or(list_price);
            price.is_some_and(|price| price.currency() != currency)
        }) {
            return Err(PlaceFault::CurrencyMismatch { lines });
        }
        let priced = Priced::of(currency, draft.lines, catalogue)?;
        let details = Details {
            customer_ref: draft.customer_ref,
            total: priced.total,
            weight_grams: priced.weight_grams,
            line_count: i32::try_from(priced.lines.len())
                .map_err(|_beyond| PlaceFault::TotalTooLarge)?,
            unit_count: priced.unit_count,
            payment_method: draft.payment_method,
            address: draft.address,
            traceparent: None,
        };
        Ok(Self {
            tenant,
            id,
            details,
            lines: priced.lines,
        })
    }

    /// The saga at its start: the reservation is asked for.
    #[must_use]
    pub fn first_saga() -> Saga {
        Saga {
            phase: Phase::Reserving,
            asked: Asked {
                reservations: 1,
                ..Asked::default()
            },
        }
    }

    /// The first event of the history.
    #[must_use]
    pub fn first_event(&self) -> Event {
        Event {
            kind: EventKind::Placed,
            description: format!(
                "{} lines, {} units, {}",
                self.details.line_count, self.details.unit_count, self.details.total
            ),
            saga: Self::first_saga(),
        }
    }
}

struct Priced {
    lines: Vec<Line>,
    total: Money,
    unit_count: i64,
    weight_grams: i64,
}

impl Priced {
    fn of(
        currency: Currency,
        lines: Vec<DraftLine>,
        catalogue: &HashMap<Sku, CatalogueItem>,
    ) -> Result<Self, PlaceFault> {
        let mut priced = Self {
            lines: Vec::with_capacity(lines.len()),
            total: Money::zero(currency),
            unit_count: 0,
            weight_grams: 0,
        };
        for line in lines {
            // Every line was found before; a missing one cannot be priced either way.
            let item = catalogue.get(&line.sku).ok_or(PlaceFault::TotalTooLarge)?;
            priced.add(line, item).ok_or(PlaceFault::TotalTooLarge)?;
        }
        Ok(priced)
    }

    fn add(&mut self, line: DraftLine, item: &CatalogueItem) -> Option<()> {
        let units = i64::from(line.quantity.get());
        let unit_price = line.agreed_price.unwrap_or(item.price);
        let line_total = unit_price.checked_mul(line.quantity).ok()?;
        self.total = self.total.checked_add(line_total).ok()?;
        self.unit_count = self.unit_count.checked_add(units)?;
        let weight = item.weight_grams.checked_mul(units)?;
        self.weight_grams = self.weight_grams.checked_add(weight)?;
        self.lines.push(Line {
            sku: line.sku,
            name: item.name.clone(),
            quantity: line.quantity,
            unit_price,
            agreed_price: line.agreed_price.is_some(),
        });
        Some(())
    }
}
