//! Inventory, payment and shipping as one scripted participant. What it does stands in the order:
//! in its SKUs, its payment method and its town.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tradepost_messaging::{
    Binding, Delivery, HandleError, Handler, Message, Outbox, Outgoing, Subscription, inbox,
};
use tradepost_postgres::Database;
use tradepost_proto::inventory::{command::v1 as ic, event::v1 as ie};
use tradepost_proto::payment::{command::v1 as pc, event::v1 as pe};
use tradepost_proto::routing::{COMMANDS, Event};
use tradepost_proto::shipping::{command::v1 as sc, event::v1 as se};

use super::stage::gbp;

/// What is known of one order, by its text id.
#[derive(Default)]
struct Known {
    payment_method: String,
    city: String,
    asked: HashMap<&'static str, u32>,
}

/// Remembers what was asked, and answers.
#[derive(Clone)]
pub(crate) struct Participants {
    database: Database,
    outbox: Outbox,
    orders: Arc<Mutex<HashMap<String, Known>>>,
    log: Arc<Mutex<Vec<(String, &'static str)>>>,
}

pub(crate) fn subscriptions(participants: &Participants) -> Vec<Subscription> {
    let queues = [
        ("inventory", "inventory.commands"),
        ("payment", "payment.commands"),
        ("shipping", "shipping.commands"),
    ];
    let subscription = |(service, queue)| Subscription {
        queue,
        bindings: COMMANDS
            .iter()
            .filter(|(of, _)| *of == service)
            .map(|(of, name)| Binding::command(of, name))
            .collect(),
        batch_max: 50,
        handler: Arc::new(participants.clone()),
    };
    queues.map(subscription).to_vec()
}

impl Participants {
    pub(crate) fn new(database: Database, outbox: Outbox) -> Self {
        Self {
            database,
            outbox,
            orders: Arc::default(),
            log: Arc::default(),
        }
    }

    /// How often a command came about an order.
    pub(crate) fn count(&self, order: &str, command: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter()
            .filter(|(of, name)| of == order && *name == command)
            .count()
    }

    /// Sends an event as if a participant had.
    pub(crate) async fn send(&self, outgoing: Vec<Outgoing>) {
        let mut tx = self.database.system_tx().await.unwrap();
        self.outbox.append(tx.conn(), &outgoing).await.unwrap();
        tx.commit().await.unwrap();
        self.outbox.wake();
    }

    fn answer(&self, message: &Message) -> Result<Vec<Outgoing>, HandleError> {
        if message.kind.contains(".inventory.") {
            self.inventory(message)
        } else if message.kind.contains(".payment.") {
            self.payment(message)
        } else {
            self.shipping(message)
        }
    }

    /// Logs the command; says how often it came before.
    fn note(&self, order: &str, command: &'static str) -> u32 {
        self.log.lock().unwrap().push((order.to_owned(), command));
        let mut orders = self.orders.lock().unwrap();
        let known = orders.entry(order.to_owned()).or_default();
        let count = known.asked.entry(command).or_default();
        *count += 1;
        *count - 1
    }

    fn method(&self, order: &str) -> String {
        let orders = self.orders.lock().unwrap();
        orders
            .get(order)
            .map(|known| known.payment_method.clone())
            .unwrap_or_default()
    }

    fn inventory(&self, message: &Message) -> Result<Vec<Outgoing>, HandleError> {
        if message.is::<ic::ReserveStock>() {
            let body: ic::ReserveStock = message.decode()?;
            let (order_id, reservation_id) = (body.order_id.clone(), body.reservation_id);
            let before = self.note(&order_id, "reserve");
            let has = |sku: &str| body.lines.iter().any(|line| line.sku == sku);
            if has("SILENT") || (has("SLOW") && before == 0) {
                return Ok(vec![]);
            }
            if has("OUT") || (has("LAST") && before > 0) {
                return Ok(vec![reply(
                    message,
                    &ie::ReservationRejected {
                        reservation_id,
                        order_id,
                        reason: "OUT_OF_STOCK".into(),
                        shortfalls: vec![ie::Shortfall {
                            sku: "OUT".into(),
                            wanted: 1,
                            available: 0,
                        }],
                    },
                )]);
            }
            let body = ie::StockReserved {
                reservation_id,
                order_id,
                expire_time: None,
            };
            return Ok(vec![reply(message, &body)]);
        }
        if message.is::<ic::CommitReservation>() {
            let body: ic::CommitReservation = message.decode()?;
            let before = self.note(&body.order_id, "commit");
            if self.method(&body.order_id) == "pm_commit_refused" && before == 0 {
                let refused = ie::ReservationCommitRefused {
                    reservation_id: body.reservation_id,
                    order_id: body.order_id,
                    reason: "EXPIRED".into(),
                };
                return Ok(vec![reply(message, &refused)]);
            }
            let committed = ie::ReservationCommitted {
                reservation_id: body.reservation_id,
                order_id: body.order_id,
            };
            return Ok(vec![reply(message, &committed)]);
        }
        if message.is::<ic::ReleaseReservation>() {
            let body: ic::ReleaseReservation = message.decode()?;
            self.note(&body.order_id, "release");
            let released = ie::ReservationReleased {
                reservation_id: body.reservation_id,
                order_id: body.order_id,
            };
            return Ok(vec![reply(message, &released)]);
        }
        let body: ic::ExtendReservation = message.decode()?;
        self.note(&body.order_id, "extend");
        Ok(vec![])
    }

    fn payment(&self, message: &Message) -> Result<Vec<Outgoing>, HandleError> {
        if message.is::<pc::AuthorizePayment>() {
            return self.authorize(message, message.decode()?);
        }
        if message.is::<pc::CapturePayment>() {
            let body: pc::CapturePayment = message.decode()?;
            let before = self.note(&body.order_id, "capture");
            if self.method(&body.order_id) == "pm_capture_fails" && before == 0 {
                let failed = pe::PaymentCaptureFailed {
                    payment_id: body.payment_id,
                    order_id: body.order_id,
                    reason: "AUTHORIZATION_EXPIRED".into(),
                };
                return Ok(vec![reply(message, &failed)]);
            }
            let captured = pe::PaymentCaptured {
                payment_id: body.payment_id,
                order_id: body.order_id,
                amount: None,
            };
            return Ok(vec![reply(message, &captured)]);
        }
        if message.is::<pc::VoidPayment>() {
            let body: pc::VoidPayment = message.decode()?;
            self.note(&body.order_id, "void_payment");
            if self.method(&body.order_id) == "pm_void_fails" {
                let failed = pe::PaymentVoidFailed {
                    payment_id: body.payment_id,
                    order_id: body.order_id,
                    reason: "PROVIDER_REFUSED".into(),
                };
                return Ok(vec![reply(message, &failed)]);
            }
            let voided = pe::PaymentVoided {
                payment_id: body.payment_id,
                order_id: body.order_id,
            };
            return Ok(vec![reply(message, &voided)]);
        }
        let body: pc::RefundPayment = message.decode()?;
        self.note(&body.order_id, "refund");
        let refunded = pe::RefundSucceeded {
            refund_id: body.refund_id,
            payment_id: body.payment_id,
            order_id: body.order_id,
            amount: Some(gbp(500)),
        };
        Ok(vec![reply(message, &refunded)])
    }

    fn authorize(
        &self,
        message: &Message,
        body: pc::AuthorizePayment,
    ) -> Result<Vec<Outgoing>, HandleError> {
        let (payment_id, order_id) = (body.payment_id, body.order_id);
        self.note(&order_id, "authorize");
        let mut orders = self.orders.lock().unwrap();
        let known = orders.entry(order_id.clone()).or_default();
        known.payment_method.clone_from(&body.payment_method);
        let authorized = pe::PaymentAuthorized {
            payment_id: payment_id.clone(),
            order_id: order_id.clone(),
            amount: body.amount,
        };
        Ok(match body.payment_method.as_str() {
            "pm_silent" => vec![],
            "pm_decline" => vec![reply(
                message,
                &pe::PaymentDeclined {
                    payment_id,
                    order_id,
                    reason: "CARD_DECLINED".into(),
                },
            )],
            "pm_action" => vec![reply(
                message,
                &pe::PaymentActionRequired {
                    payment_id,
                    order_id,
                },
            )],
            "pm_unknown" => vec![reply(
                message,
                &pe::PaymentOutcomeUnknown {
                    payment_id,
                    order_id,
                },
            )],
            _ => vec![reply(message, &authorized)],
        })
    }

    fn shipping(&self, message: &Message) -> Result<Vec<Outgoing>, HandleError> {
        if message.is::<sc::BookShipment>() {
            let body: sc::BookShipment = message.decode()?;
            self.note(&body.order_id, "book");
            let city = body.destination.map(|to| to.city).unwrap_or_default();
            let mut orders = self.orders.lock().unwrap();
            let known = orders.entry(body.order_id.clone()).or_default();
            known.city.clone_from(&city);
            let booked = se::ShipmentBooked {
                shipment_id: body.shipment_id.clone(),
                order_id: body.order_id.clone(),
                carrier: "table-rate".into(),
                tracking_number: format!("T{}", body.weight_grams),
            };
            return Ok(match city.as_str() {
                "Silent" => vec![],
                "Nowhere" => vec![reply(
                    message,
                    &se::ShipmentBookingFailed {
                        shipment_id: body.shipment_id,
                        order_id: body.order_id,
                        reason: "DESTINATION_NOT_SERVED".into(),
                    },
                )],
                _ => vec![reply(message, &booked)],
            });
        }
        let body: sc::VoidShipment = message.decode()?;
        self.note(&body.order_id, "void_shipment");
        let orders = self.orders.lock().unwrap();
        let refuses = orders
            .get(&body.order_id)
            .is_some_and(|known| known.city == "Hasty");
        let (shipment_id, order_id) = (body.shipment_id, body.order_id);
        Ok(vec![if refuses {
            reply(
                message,
                &se::ShipmentVoidRefused {
                    shipment_id,
                    order_id,
                },
            )
        } else {
            reply(
                message,
                &se::ShipmentVoided {
                    shipment_id,
                    order_id,
                },
            )
        }])
    }
}

fn reply<E: Event + prost::Message>(cause: &Message, body: &E) -> Outgoing {
    Outgoing::required_event(E::KEY, cause.tenant, body).caused_by(cause)
}

#[async_trait]
impl Handler for Participants {
    async fn handle(&self, batch: &[Delivery]) -> Result<(), HandleError> {
        let mut tx = self.database.system_tx().await?;
        let messages: Vec<&Message> = batch.iter().map(|delivery| &delivery.message).collect();
        let fresh = inbox::claim(tx.conn(), &batch[0].queue, &messages).await?;
        let mut answers = Vec::new();
        for message in messages {
            if fresh.contains(&message.id) {
                answers.extend(self.answer(message)?);
            }
        }
        self.outbox.append(tx.conn(), &answers).await?;
        tx.commit().await?;
        self.outbox.wake();
        Ok(())
    }
}
