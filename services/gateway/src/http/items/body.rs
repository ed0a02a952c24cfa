//! Items, their stock and its movements as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::inventory::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::Problem;
use crate::http::values::{Money, Time, instant, mirrored, present, text};

/// An item to be stored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewItem {
    /// What people read. No control characters.
    #[schema(
        min_length = 1,
        max_length = 200,
        example = "White hanging heart T-light holder"
    )]
    name: String,
    /// The list price of one unit: 0 to 1,000,000,000,000 minor units.
    price: Money,
    /// The weight of one unit in grams.
    #[schema(minimum = 0, maximum = 1_000_000, example = 250)]
    weight_grams: i64,
    /// Whether it can be ordered.
    active: bool,
}

impl NewItem {
    pub(super) fn into_request(self, request_id: String, sku: String) -> pb::PutItemRequest {
        pb::PutItemRequest {
            request_id,
            sku,
            name: self.name,
            price: Some(self.price.into()),
            weight_grams: self.weight_grams,
            active: self.active,
        }
    }
}

/// An item of the catalogue with its stock.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Item {
    /// The stock-keeping unit exactly as the shop writes it.
    sku: String,
    /// What people read.
    name: String,
    /// The list price of one unit.
    price: Money,
    /// The weight of one unit in grams.
    weight_grams: i64,
    /// Whether it can be ordered.
    active: bool,
    /// The stock at the moment of reading.
    stock: Stock,
    /// When it was first stored.
    create_time: Time,
    /// When the entry last changed.
    update_time: Time,
}

impl TryFrom<pb::Item> for Item {
    type Error = Problem;

    fn try_from(item: pb::Item) -> Result<Self, Problem> {
        Ok(Self {
            sku: item.sku,
            name: item.name,
            price: present(item.price)?.into(),
            weight_grams: item.weight_grams,
            active: item.active,
            stock: present(item.stock)?.into(),
            create_time: instant(item.create_time)?,
            update_time: instant(item.update_time)?,
        })
    }
}

/// How many units there are of one item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stock {
    /// Units in the warehouse that are not yet sold.
    on_hand: i64,
    /// Units of `on_hand` that orders hold.
    reserved: i64,
    /// What can still be ordered.
    available: i64,
}

impl From<pb::Stock> for Stock {
    fn from(stock: pb::Stock) -> Self {
        Self {
            on_hand: stock.on_hand,
            reserved: stock.reserved,
            available: stock.available,
        }
    }
}

/// Which items to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ItemFilter {
    /// Only items whose SKU starts with this: at most 64 bytes, no control characters.
    #[serde(default)]
    #[param(required = false, max_length = 64)]
    sku_prefix: String,
    /// Items a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false, max_length = 2048)]
    page_token: String,
}

impl From<ItemFilter> for pb::ListItemsRequest {
    fn from(filter: ItemFilter) -> Self {
        Self {
            page_size: filter.page_size,
            page_token: filter.page_token,
            sku_prefix: filter.sku_prefix,
        }
    }
}

/// A page of items.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemPage {
    /// In SKU order.
    items: Vec<Item>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::ListItemsResponse> for ItemPage {
    type Error = Problem;

    fn try_from(page: pb::ListItemsResponse) -> Result<Self, Problem> {
        let items: Result<_, Problem> = page.items.into_iter().map(Item::try_from).collect();
        Ok(Self {
            items: items?,
            next_page_token: text(page.next_page_token),
        })
    }
}

mirrored! {
    /// Why a stock level changed.
    MovementKind of pb::MovementKind {
        /// Goods came in.
        Received,
        /// A count corrected the level.
        Adjusted,
        /// Goods were lost or broken.
        WrittenOff,
        /// Units of an order left the stock.
        Sold,
        /// Units of an order came back.
        Restocked,
    }
}

/// Why a stock level changes, as far as people decide it.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum NewMovementKind {
    /// Goods came in; the quantity is above 0.
    Received,
    /// A count corrected the level; the quantity is the signed difference, not 0.
    Adjusted,
    /// Goods were lost or broken; the quantity is above 0 and is taken away.
    WrittenOff,
}

impl From<NewMovementKind> for pb::MovementKind {
    fn from(kind: NewMovementKind) -> Self {
        match kind {
            NewMovementKind::Received => Self::Received,
            NewMovementKind::Adjusted => Self::Adjusted,
            NewMovementKind::WrittenOff => Self::WrittenOff,
        }
    }
}

/// A change of stock to be recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMovement {
    /// Why the level changes.
    kind: NewMovementKind,
    /// Units, not 0. Only `adjusted` may be negative.
    #[schema(minimum = -1_000_000_000, maximum = 1_000_000_000, example = 100)]
    quantity: i64,
    /// Why, for people. No control characters.
    #[schema(nullable = false, max_length = 200)]
    reference: Option<String>,
}

impl NewMovement {
    pub(super) fn into_request(
        self,
        request_id: String,
        sku: String,
    ) -> pb::RecordStockMovementRequest {
        pb::RecordStockMovementRequest {
            request_id,
            sku,
            kind: pb::MovementKind::from(self.kind).into(),
            quantity: self.quantity,
            reference: self.reference.unwrap_or_default(),
        }
    }
}

/// One change of the stock of one item.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Movement {
    /// Its id.
    movement_id: String,
    /// The item.
    sku: String,
    /// Why.
    kind: MovementKind,
    /// The signed change of `on_hand` in units.
    delta: i64,
    /// `on_hand` after the change.
    on_hand_after: i64,
    /// What the operator wrote, or the reservation that caused it.
    reference: String,
    /// When.
    create_time: Time,
}

impl TryFrom<pb::StockMovement> for Movement {
    type Error = Problem;

    fn try_from(movement: pb::StockMovement) -> Result<Self, Problem> {
        Ok(Self {
            movement_id: movement.movement_id,
            sku: movement.sku,
            kind: MovementKind::of(movement.kind),
            delta: movement.delta,
            on_hand_after: movement.on_hand_after,
            reference: movement.reference,
            create_time: instant(movement.create_time)?,
        })
    }
}

/// A recorded change of stock.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Recorded {
    /// The movement.
    movement: Movement,
    /// The stock after it.
    stock: Stock,
}

impl TryFrom<pb::RecordStockMovementResponse> for Recorded {
    type Error = Problem;

    fn try_from(recorded: pb::RecordStockMovementResponse) -> Result<Self, Problem> {
        Ok(Self {
            movement: present(recorded.movement)?.try_into()?,
            stock: present(recorded.stock)?.into(),
        })
    }
}

/// Which page of movements to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MovementFilter {
    /// Movements a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false, max_length = 2048)]
    page_token: String,
}

impl MovementFilter {
    pub(super) fn into_request(self, sku: String) -> pb::ListStockMovementsRequest {
        pb::ListStockMovementsRequest {
            sku,
            page_size: self.page_size,
            page_token: self.page_token,
        }
    }
}

/// A page of movements.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MovementPage {
    /// Newest first.
    movements: Vec<Movement>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::ListStockMovementsResponse> for MovementPage {
    type Error = Problem;

    fn try_from(page: pb::ListStockMovementsResponse) -> Result<Self, Problem> {
        let movements = page.movements.into_iter().map(Movement::try_from);
        Ok(Self {
            movements: movements.collect::<Result<_, Problem>>()?,
            next_page_token: text(page.next_page_token),
        })
    }
}
