use tradepost_messaging::Outgoing;
use tradepost_types::TenantId;

use super::*;

fn body() -> pb::BookShipment {
    let order = OrderId::new();
    pb::BookShipment {
        shipment_id: ShipmentId::derive(order.as_uuid(), "shipment/1").to_string(),
        order_id: order.to_string(),
        destination: Some(PostalAddress {
            recipient: "A. Canary".into(),
            lines: vec!["1 High Street".into()],
            city: "Leeds".into(),
            region: String::new(),
            postal_code: "LS1 1AA".into(),
            country_code: "GB".into(),
        }),
        weight_grams: 1,
        currency_code: "GBP".into(),
    }
}

fn read<M: prost::Message + prost::Name>(name: &'static str, body: &M) -> Result<Command, String> {
    let sent = Outgoing::command("shipping", name, TenantId::new(), body);
    command(&sent.message).map_err(|error| match error {
        HandleError::Poison { detail, .. } => detail,
        HandleError::Transient { .. } | HandleError::Busy { .. } => {
            panic!("a bad command never works")
        }
    })
}

fn fault(change: impl Fn(&mut pb::BookShipment, &mut PostalAddress)) -> Option<String> {
    let mut body = body();
    let mut address = body.destination.take().unwrap();
    change(&mut body, &mut address);
    body.destination = Some(address);
    read("book", &body).err()
}

#[test]
fn a_booking_at_every_bound_is_read() {
    let at_the_bounds = fault(|body, address| {
        body.weight_grams = 0;
        address.recipient = "é".repeat(200);
        address.lines = vec!["é".repeat(200); 4];
        address.city = "é".repeat(100);
        address.region = "é".repeat(100);
        address.postal_code = "é".repeat(20);
    });
    let least = fault(|body, address| {
        body.weight_grams = i64::MAX;
        address.recipient = "x".into();
        address.lines = vec!["x".into()];
        address.city = "x".into();
        address.postal_code = String::new();
    });

    assert_eq!((at_the_bounds, least), (None, None));
}

#[test]
fn every_field_of_a_booking_beyond_its_bound_is_poison_and_named() {
    type Change = fn(&mut pb::BookShipment, &mut PostalAddress);
    let beyond: [(&str, Change); 22] = [
        ("shipment_id", |body, _| body.shipment_id = String::new()),
        ("shipment_id", |body, _| {
            body.shipment_id = body.order_id.clone();
        }),
        ("order_id", |body, _| body.order_id = "order_1".into()),
        ("order_id", |body, _| {
            body.order_id = body.shipment_id.clone();
        }),
        ("currency_code", |body, _| {
            body.currency_code = "pounds".into();
        }),
        ("currency_code", |body, _| {
            body.currency_code = String::new();
        }),
        ("weight_grams", |body, _| body.weight_grams = -1),
        ("destination.recipient", |_, to| {
            to.recipient = String::new();
        }),
        ("destination.recipient", |_, to| {
            to.recipient = "é".repeat(201);
        }),
        ("destination.recipient", |_, to| {
            to.recipient = "Canary\n".into();
        }),
        ("destination.lines", |_, to| to.lines = Vec::new()),
        ("destination.lines", |_, to| to.lines = vec!["x".into(); 5]),
        ("destination.lines", |_, to| to.lines.push(String::new())),
        ("destination.lines", |_, to| to.lines.push("x".repeat(201))),
        ("destination.city", |_, to| to.city = String::new()),
        ("destination.city", |_, to| to.city = "x".repeat(101)),
        ("destination.region", |_, to| to.region = "x".repeat(101)),
        ("destination.region", |_, to| to.region = "\u{0}".into()),
        ("destination.postal_code", |_, to| {
            to.postal_code = "x".repeat(21);
        }),
        ("destination.country_code", |_, to| {
            to.country_code = "gb".into();
        }),
        ("destination.country_code", |_, to| {
            to.country_code = "GBR".into();
        }),
        ("destination.country_code", |_, to| {
            to.country_code = String::new();
        }),
    ];

    for (field, change) in beyond {
        let fault = fault(change).expect(field);

        assert!(fault.starts_with(&format!("{field}: ")), "{fault}");
        assert!(!fault.contains("Canary"), "{fault}");
    }
}

#[test]
fn a_booking_without_a_destination_is_poison() {
    let nowhere = pb::BookShipment {
        destination: None,
        ..body()
    };

    let fault = read("book", &nowhere).unwrap_err();

    assert_eq!(fault, "destination: is required");
}

#[test]
fn a_void_needs_both_ids() {
    let (shipment_id, order_id) = (body().shipment_id, body().order_id);
    let void = |shipment_id: &str, order_id: &str| {
        let (shipment_id, order_id) = (shipment_id.to_owned(), order_id.to_owned());
        let body = pb::VoidShipment {
            shipment_id,
            order_id,
        };
        read("void", &body)
    };

    assert!(void(&shipment_id, &order_id).is_ok());
    assert!(void("", &order_id).unwrap_err().starts_with("shipment_id"));
    assert!(void(&shipment_id, "x").unwrap_err().starts_with("order_id"));
}

#[test]
fn another_kind_of_message_is_no_command() {
    let stray = tradepost_proto::shipping::event::v1::ShipmentLost::default();

    assert!(read("book", &stray).is_err());
}
