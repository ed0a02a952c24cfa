//! The items of a plan and their stock, brought to the planned level once.

use futures::stream::{self, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::{Keys, Progress};
use crate::gateway::{CallError, Gateway, ItemBody, Movement, MovementKind, pence};
use crate::plan::{Plan, PlannedItem};

/// Items in hand at once.
const AT_ONCE: usize = 16;
/// The history has no weights; this one lets its largest order go as one parcel.
const WEIGHT_GRAMS: i64 = 100;

/// Loads all items, or as many as there are until `stop`.
pub(super) async fn load(
    gateway: &Gateway,
    plan: &Plan,
    keys: &Keys,
    stop: &CancellationToken,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<(), CallError> {
    let until_stop = plan.items.iter().take_while(|_| !stop.is_cancelled());
    let mut loaded =
        stream::iter(until_stop.map(|item| Ok::<_, CallError>(load_one(gateway, item, keys))))
            .try_buffer_unordered(AT_ONCE);
    let mut count = 0;
    while loaded.try_next().await?.is_some() {
        count += 1;
        progress(Progress::Catalogue(count, plan.items.len()));
    }
    Ok(())
}

/// The entry, and the stock unless this plan brought it before. Units that an earlier replay or
/// somebody else left are written off first, so that the level is the planned one.
async fn load_one(gateway: &Gateway, item: &PlannedItem, keys: &Keys) -> Result<(), CallError> {
    let sku = item.sku.as_str();
    let body = ItemBody {
        name: &item.name,
        price: pence(item.price_minor),
        weight_grams: WEIGHT_GRAMS,
        active: true,
    };
    gateway.put_item(&keys.item(sku), sku, &body).await?;
    let leftover = gateway.item(sku).await?.stock.available;
    let movement = |kind, quantity| Movement {
        kind,
        quantity,
        reference: keys.reference(),
    };
    if leftover > 0 {
        // Either this plan was here before, then what is left is its own, or it is to go.
        if gateway.has_movement(sku, &keys.reference()).await? {
            return Ok(());
        }
        let written_off = movement(MovementKind::WrittenOff, leftover);
        gateway
            .move_stock(&keys.leftover(sku), sku, &written_off)
            .await?;
    }
    if item.stock > 0 {
        let received = movement(MovementKind::Received, item.stock);
        gateway.move_stock(&keys.stock(sku), sku, &received).await?;
    }
    Ok(())
}
