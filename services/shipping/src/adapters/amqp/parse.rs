//! From messages to commands. What cannot be one is poison: it will never work.

use tradepost_messaging::{HandleError, Message};
use tradepost_proto::common::v1::PostalAddress;
use tradepost_proto::shipping::command::v1 as pb;
use tradepost_types::{Currency, OrderId, ShipmentId};

use crate::application::{Action, Command};
use crate::domain::{Address, Parcel};

/// The command in a message.
pub(super) fn command(message: &Message) -> Result<Command, HandleError> {
    if message.is::<pb::BookShipment>() {
        let body: pb::BookShipment = message.decode()?;
        let (shipment, order) = ids(&body.shipment_id, &body.order_id)?;
        let currency: Currency = body
            .currency_code
            .parse()
            .map_err(|error| invalid("currency_code", &error))?;
        if body.weight_grams < 0 {
            return Err(poison("weight_grams", "must not be negative"));
        }
        let parcel = Parcel {
            id: shipment,
            order,
            destination: address(body.destination)?,
            weight_grams: body.weight_grams,
            currency,
        };
        return Ok(Command {
            cause: message.clone(),
            shipment,
            order,
            action: Action::Book(parcel),
        });
    }
    let body: pb::VoidShipment = message.decode()?;
    let (shipment, order) = ids(&body.shipment_id, &body.order_id)?;
    Ok(Command {
        cause: message.clone(),
        shipment,
        order,
        action: Action::Void,
    })
}

fn ids(shipment: &str, order: &str) -> Result<(ShipmentId, OrderId), HandleError> {
    let shipment = shipment
        .parse()
        .map_err(|error| invalid("shipment_id", &error))?;
    let order = order.parse().map_err(|error| invalid("order_id", &error))?;
    Ok((shipment, order))
}

/// The bounds of `address.proto`. A fault is told by the field's name alone: no personal data.
fn address(address: Option<PostalAddress>) -> Result<Address, HandleError> {
    let address = address.ok_or_else(|| poison("destination", "is required"))?;
    let fits = |text: &str, least: usize, most: usize| {
        (least..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };
    let code = &address.country_code;
    let checks = [
        ("destination.recipient", fits(&address.recipient, 1, 200)),
        ("destination.lines", (1..=4).contains(&address.lines.len())),
        (
            "destination.lines",
            address.lines.iter().all(|line| fits(line, 1, 200)),
        ),
        ("destination.city", fits(&address.city, 1, 100)),
        ("destination.region", fits(&address.region, 0, 100)),
        ("destination.postal_code", fits(&address.postal_code, 0, 20)),
        (
            "destination.country_code",
            code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_uppercase()),
        ),
    ];
    if let Some((field, _)) = checks.iter().find(|(_, holds)| !holds) {
        return Err(poison(field, "is out of bounds"));
    }
    Ok(Address {
        recipient: address.recipient,
        lines: address.lines,
        city: address.city,
        region: address.region,
        postal_code: address.postal_code,
        country_code: address.country_code,
    })
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

#[cfg(test)]
mod tests;
