//! From messages to commands. What cannot be one is poison: it will never work.

use time::Duration;
use tradepost_messaging::{HandleError, Message};
use tradepost_proto::inventory::command::v1 as pb;
use tradepost_types::{Quantity, Sku};

use crate::domain::{Action, Command};
use crate::ports::Asked;

/// The most lines of an order.
const LINES_MAX: usize = 2_000;
/// The longest hold.
const HOLD_SECONDS_MAX: i64 = 86_400;

/// The command in a message.
pub(super) fn asked(message: &Message) -> Result<Asked, HandleError> {
    let (reservation, order, action) = if message.is::<pb::ReserveStock>() {
        let body: pb::ReserveStock = message.decode()?;
        let lines = body.lines.iter().map(line).collect::<Result<Vec<_>, _>>()?;
        if lines.is_empty() || lines.len() > LINES_MAX {
            return Err(poison("lines", "there must be 1 to 2,000 lines"));
        }
        let hold = hold(body.hold_seconds)?;
        (
            body.reservation_id,
            body.order_id,
            Action::Reserve { lines, hold },
        )
    } else if message.is::<pb::ExtendReservation>() {
        let body: pb::ExtendReservation = message.decode()?;
        let hold = hold(body.hold_seconds)?;
        (body.reservation_id, body.order_id, Action::Extend { hold })
    } else if message.is::<pb::CommitReservation>() {
        let body: pb::CommitReservation = message.decode()?;
        (body.reservation_id, body.order_id, Action::Commit)
    } else {
        let body: pb::ReleaseReservation = message.decode()?;
        (body.reservation_id, body.order_id, Action::Release)
    };
    let command = Command {
        tenant: message.tenant,
        reservation: reservation
            .parse()
            .map_err(|error| invalid("reservation_id", &error))?,
        order: order.parse().map_err(|error| invalid("order_id", &error))?,
        action,
    };
    Ok(Asked {
        cause: message.clone(),
        command,
    })
}

fn line(line: &pb::ReserveLine) -> Result<(Sku, Quantity), HandleError> {
    let sku = line
        .sku
        .parse()
        .map_err(|error| invalid("lines.sku", &error))?;
    let quantity =
        Quantity::try_from(line.quantity).map_err(|error| invalid("lines.quantity", &error))?;
    Ok((sku, quantity))
}

fn hold(seconds: i64) -> Result<Duration, HandleError> {
    if (1..=HOLD_SECONDS_MAX).contains(&seconds) {
        return Ok(Duration::seconds(seconds));
    }
    Err(poison("hold_seconds", "must be 1 to 86,400"))
}

fn invalid(field: &str, error: &dyn std::error::Error) -> HandleError {
    poison(field, &error.to_string())
}

fn poison(field: &str, fault: &str) -> HandleError {
    HandleError::Poison {
        reason: "invalid_command",
        detail: format!("{field}: {fault}"),
    }
}
