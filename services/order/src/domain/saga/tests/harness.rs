//! An order with model participants that keep the promises of their protos.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};
use tradepost_types::{Currency, Money, OrderId, ReservationId, TenantId};

use crate::domain::saga::{Command, Policy, Reaction, Refusal, apply};
use crate::domain::{
    Address, Details, Event, EventKind, Input, NewOrder, Order, OrderState, PaymentAnswer,
    Recorded, RefundAnswer, ShipmentNews, StockAnswer, Timer,
};

pub(super) fn order_of(total: i64) -> Order {
    let start = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
    Order {
        tenant: TenantId::new(),
        id: OrderId::new(),
        details: Details {
            customer_ref: "c".into(),
            total: Money::new(total, Currency::GBP),
            weight_grams: 1,
            line_count: 1,
            unit_count: 1,
            payment_method: "pm".into(),
            address: Address::default(),
            traceparent: None,
        },
        saga_version: 1,
        saga: NewOrder::first_saga(),
        version: 1,
        created_at: start,
        updated_at: start,
        timer: Timer {
            at: Some(start + Duration::seconds(30)),
            attempts: 0,
        },
    }
}

/// What the provider, the warehouse and the carrier will do.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    /// Reservations with these numbers are refused.
    pub(super) out_of_stock: BTreeSet<u32>,
    pub(super) decline: bool,
    pub(super) unknown_first: bool,
    pub(super) conflict: bool,
    pub(super) booking_fails: bool,
    pub(super) capture_fails: bool,
    pub(super) void_fails: bool,
    pub(super) refund_fails: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stock {
    Held,
    Sold,
    Gone,
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Money_ {
    Nothing,
    Held,
    Taken,
    Back,
    Declined,
    Dead,
    Conflicted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goods {
    None,
    Booked,
    Refused,
    Out,
    Arrived,
    Home,
    Lost,
    CalledOff,
}

/// The world around one order.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) order: Order,
    pub(super) script: Script,
    pub(super) now: OffsetDateTime,
    pub(super) policy: Policy,
    pub(super) stock: BTreeMap<ReservationId, Stock>,
    pub(super) money: Money_,
    pub(super) goods: Goods,
    /// How often money was let go or given back.
    pub(super) voids: u32,
    /// Messages under way: commands and answers.
    pub(super) commands: Vec<Command>,
    pub(super) answers: Vec<Input>,
    pub(super) history: Vec<Recorded>,
    pub(super) refusals: Vec<(Input, Refusal)>,
}

impl World {
    pub(super) fn new(script: Script) -> Self {
        Self::with_total(script, 500)
    }

    pub(super) fn with_total(script: Script, total: i64) -> Self {
        let order = order_of(total);
        let first = Recorded {
            version: 1,
            event: Event {
                kind: EventKind::Placed,
                description: String::new(),
                saga: order.saga.clone(),
            },
            placed: Some((order.details.clone(), 1)),
            cause: String::new(),
            trace_id: String::new(),
            at: order.created_at,
        };
        Self {
            commands: vec![Command::ReserveStock(order.current_reservation())],
            now: order.created_at,
            order,
            script,
            policy: Policy::default(),
            stock: BTreeMap::new(),
            money: Money_::Nothing,
            goods: Goods::None,
            voids: 0,
            answers: Vec::new(),
            history: vec![first],
            refusals: Vec::new(),
        }
    }

    pub(super) fn state(&self) -> OrderState {
        self.order.saga.phase.state()
    }

    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let events = self.history.iter();
        events.map(|recorded| recorded.event.kind.name()).collect()
    }

    /// Feeds the machine and keeps its books.
    pub(super) fn feed(&mut self, input: Input) -> Result<(), Refusal> {
        let reaction = match apply(&self.order, &input, self.now, &self.policy) {
            Ok(reaction) => reaction,
            Err(refusal) => {
                self.refusals.push((input, refusal));
                return Err(refusal);
            }
        };
        let Reaction::Moved(transition) = reaction else {
            return Ok(());
        };
        if transition.saga != self.order.saga {
            assert!(!transition.events.is_empty(), "a change without an event");
        }
        for event in transition.events {
            self.order.version += 1;
            self.order.updated_at = self.now;
            self.history.push(Recorded {
                version: self.order.version,
                event,
                placed: None,
                cause: String::new(),
                trace_id: String::new(),
                at: self.now,
            });
        }
        self.order.saga = transition.saga;
        self.order.timer = transition.timer;
        self.commands.extend(transition.commands);
        Ok(())
    }

    /// Lets a participant carry out a command.
    pub(super) fn carry_out(&mut self, command: Command) {
        match command {
            Command::ReserveStock(id) => self.reserve(id),
            Command::ExtendReservation(_) => {}
            Command::CommitReservation(id) => {
                let answer = match self.stock.get(&id) {
                    Some(Stock::Held | Stock::Sold) => {
                        self.stock.insert(id, Stock::Sold);
                        StockAnswer::Committed
                    }
                    Some(Stock::Gone | Stock::Refused) | None => StockAnswer::CommitRefused {
                        reason: "EXPIRED".into(),
                    },
                };
                self.answers.push(Input::Stock(id, answer));
            }
            Command::ReleaseReservation(id) => {
                if self.stock.get(&id) != Some(&Stock::Refused) {
                    self.stock.insert(id, Stock::Gone);
                }
                self.answers.push(Input::Stock(id, StockAnswer::Released));
            }
            Command::AuthorizePayment(_) => self.authorize(),
            Command::CapturePayment(_) => {
                let failed = self.script.capture_fails;
                let answer = match self.money {
                    Money_::Held if !failed => {
                        self.money = Money_::Taken;
                        PaymentAnswer::Captured
                    }
                    Money_::Taken => PaymentAnswer::Captured,
                    _ => PaymentAnswer::CaptureFailed {
                        reason: "AUTHORIZATION_EXPIRED".into(),
                    },
                };
                self.say(answer);
            }
            Command::VoidPayment(_) => self.void(),
            Command::RefundPayment(id, _) => {
                let answer = if self.script.refund_fails {
                    RefundAnswer::Failed {
                        reason: "NO".into(),
                    }
                } else {
                    if self.money == Money_::Taken {
                        self.money = Money_::Back;
                        self.voids += 1;
                    }
                    RefundAnswer::Succeeded {
                        amount: self.order.details.total,
                    }
                };
                self.answers.push(Input::Refund(id, answer));
            }
            Command::BookShipment(_) => self.book(),
            Command::VoidShipment(_) => {
                let news = match self.goods {
                    Goods::None | Goods::Booked | Goods::Refused | Goods::CalledOff => {
                        self.goods = Goods::CalledOff;
                        ShipmentNews::Voided
                    }
                    Goods::Out | Goods::Arrived | Goods::Home | Goods::Lost => {
                        ShipmentNews::VoidRefused
                    }
                };
                self.news(news);
            }
        }
    }

    fn reserve(&mut self, id: ReservationId) {
        let number = self.order.reservation_number(id).unwrap_or(0);
        let short = self.script.out_of_stock.contains(&number);
        let state =
            *self
                .stock
                .entry(id)
                .or_insert(if short { Stock::Refused } else { Stock::Held });
        let answer = match state {
            Stock::Held | Stock::Sold => StockAnswer::Reserved,
            Stock::Refused => StockAnswer::Rejected {
                reason: "OUT_OF_STOCK".into(),
                shortfall: String::new(),
            },
            Stock::Gone => StockAnswer::Expired,
        };
        self.answers.push(Input::Stock(id, answer));
    }

    fn authorize(&mut self) {
        if self.money == Money_::Nothing {
            if self.script.unknown_first {
                self.say(PaymentAnswer::OutcomeUnknown);
            }
            self.money = if self.script.decline {
                Money_::Declined
            } else if self.script.conflict {
                Money_::Conflicted
            } else {
                Money_::Held
            };
        }
        self.say(match self.money {
            Money_::Declined => PaymentAnswer::Declined {
                reason: "CARD_DECLINED".into(),
            },
            Money_::Dead | Money_::Back => PaymentAnswer::Voided,
            Money_::Conflicted => PaymentAnswer::Conflicted,
            Money_::Nothing | Money_::Held | Money_::Taken => PaymentAnswer::Authorized,
        });
    }

    fn void(&mut self) {
        if self.script.void_fails {
            self.say(PaymentAnswer::VoidFailed {
                reason: "NO".into(),
            });
            return;
        }
        match self.money {
            Money_::Held | Money_::Conflicted => {
                self.money = Money_::Dead;
                self.voids += 1;
            }
            Money_::Taken => {
                self.money = Money_::Back;
                self.voids += 1;
            }
            Money_::Nothing => self.money = Money_::Dead,
            Money_::Back | Money_::Declined | Money_::Dead => {}
        }
        self.say(PaymentAnswer::Voided);
    }

    fn book(&mut self) {
        if self.goods == Goods::None {
            self.goods = if self.script.booking_fails {
                Goods::Refused
            } else {
                Goods::Booked
            };
        }
        self.news(match self.goods {
            Goods::Refused | Goods::CalledOff => ShipmentNews::BookingFailed {
                reason: "DESTINATION_NOT_SERVED".into(),
            },
            Goods::None
            | Goods::Booked
            | Goods::Out
            | Goods::Arrived
            | Goods::Home
            | Goods::Lost => ShipmentNews::Booked {
                carrier: "c".into(),
                tracking: "t".into(),
            },
        });
    }

    pub(super) fn say(&mut self, answer: PaymentAnswer) {
        self.answers
            .push(Input::Payment(self.order.payment(), answer));
    }

    pub(super) fn news(&mut self, news: ShipmentNews) {
        self.answers
            .push(Input::Shipment(self.order.shipment(), news));
    }

    /// The hold runs out.
    pub(super) fn expire(&mut self) {
        let held: Vec<_> = self
            .stock
            .iter()
            .filter(|(_, stock)| **stock == Stock::Held)
            .map(|(id, _)| *id)
            .collect();
        for id in held {
            self.stock.insert(id, Stock::Gone);
            self.answers.push(Input::Stock(id, StockAnswer::Expired));
        }
    }

    /// The carrier's next step.
    pub(super) fn carrier(&mut self, end: Goods) {
        match self.goods {
            Goods::Booked => {
                self.goods = Goods::Out;
                self.news(ShipmentNews::HandedOver);
            }
            Goods::Out => {
                self.goods = end;
                self.news(match end {
                    Goods::Home => ShipmentNews::Returned,
                    Goods::Lost => ShipmentNews::Lost,
                    _ => ShipmentNews::Delivered,
                });
            }
            _ => {}
        }
    }

    /// Jumps to the deadline and fires it; false when there is none.
    pub(super) fn fire(&mut self) -> bool {
        let Some(at) = self.order.timer.at else {
            return false;
        };
        self.now = self.now.max(at);
        self.feed(Input::Deadline).is_ok()
    }

    /// Everything under way arrives in order, until nothing is.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.commands.is_empty() {
                let command = self.commands.remove(0);
                self.carry_out(command);
            } else if !self.answers.is_empty() {
                let answer = self.answers.remove(0);
                let _ = self.feed(answer);
            } else {
                return;
            }
        }
        panic!("the order never comes to rest");
    }

    /// Settles, and fires deadlines of phases in which nobody else acts, until a resting state.
    pub(super) fn finish(&mut self, end: Goods) {
        for _ in 0..10_000 {
            self.settle();
            match self.state() {
                state if state.is_final() => return,
                OrderState::NeedsAttention => return,
                OrderState::Confirmed | OrderState::Shipped
                    if matches!(self.goods, Goods::Booked | Goods::Out) =>
                {
                    self.carrier(end);
                }
                _ => {
                    if !self.fire() {
                        panic!("live without a timer: {:?}", self.order.saga);
                    }
                }
            }
        }
        panic!("the order never ends: {:?}", self.order.saga);
    }

    /// What must hold at rest.
    pub(super) fn check(&self) {
        let live = |wanted| {
            self.stock
                .values()
                .filter(|stock| **stock == wanted)
                .count()
        };
        let (held, sold) = (live(Stock::Held), live(Stock::Sold));
        assert!(sold <= 1, "sold twice");
        match self.state() {
            OrderState::Delivered => {
                assert_eq!((held, sold), (0, 1), "{:?}", self.kinds());
                assert!(matches!(self.money, Money_::Taken) || !self.order.needs_payment());
                assert_eq!(self.goods, Goods::Arrived);
                assert_eq!(self.voids, 0);
            }
            OrderState::Returned => {
                assert_eq!((held, sold), (0, 0));
                assert!(matches!(self.money, Money_::Back) || !self.order.needs_payment());
                assert_eq!(self.goods, Goods::Home);
                assert!(self.voids <= 1);
            }
            OrderState::Cancelled | OrderState::Rejected => {
                assert_eq!((held, sold), (0, 0), "{:?}", self.kinds());
                assert!(
                    !matches!(
                        self.money,
                        Money_::Held | Money_::Taken | Money_::Conflicted
                    ),
                    "money kept: {:?} {:?}",
                    self.money,
                    self.kinds()
                );
                assert!(
                    matches!(self.goods, Goods::None | Goods::Refused | Goods::CalledOff),
                    "goods out: {:?}",
                    self.goods
                );
                assert!(self.voids <= 1, "voided {} times", self.voids);
            }
            OrderState::NeedsAttention => {}
            state => panic!("not at rest: {state:?} {:?}", self.order.saga),
        }
        self.check_history();
    }

    fn check_history(&self) {
        let rebuilt =
            crate::domain::rebuild(self.order.tenant, self.order.id, &self.history).unwrap();
        let mut row = self.order.clone();
        row.timer = Timer::default();
        assert_eq!(rebuilt, row, "the row is not the fold of its events");
        let confirmed = self
            .history
            .iter()
            .find(|recorded| recorded.event.kind == EventKind::Confirmed);
        if let Some(confirmed) = confirmed {
            let before: Vec<_> = self
                .history
                .iter()
                .filter(|recorded| recorded.version < confirmed.version)
                .map(|recorded| recorded.event.kind)
                .collect();
            assert!(before.contains(&EventKind::StockCommitted));
            assert!(before.contains(&EventKind::PaymentAuthorized) || !self.order.needs_payment());
        }
    }
}
