//! The part of the warehouse that one batch of commands touches, and what the batch does to it.
//!
//! A batch loads the shelf, every command is decided in the order of arrival and sees what the
//! earlier ones took, and the changed parts are written back. One hot item therefore costs one row
//! lock a batch, not one a reservation.

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};
use tradepost_types::{OrderId, Quantity, ReservationId, Sku, TenantId};

use super::item::{ItemKey, MovementKind, Stock};
use super::reservation::{
    Action, Answer, Command, CommitRefusal, RejectReason, Rejection, Reservation,
    ReservationState as State, Shortfall,
};

/// A sale or its reversal, in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    /// The item.
    pub key: ItemKey,
    /// [`MovementKind::Sold`] or [`MovementKind::Restocked`].
    pub kind: MovementKind,
    /// The signed change of `on_hand`.
    pub delta: i64,
    /// `on_hand` after it.
    pub on_hand_after: i64,
    /// The reservation.
    pub reservation: ReservationId,
}

/// The items and reservations of one batch.
#[derive(Debug, Default)]
pub struct Shelf {
    items: BTreeMap<ItemKey, (bool, Stock)>,
    reservations: BTreeMap<(TenantId, ReservationId), Reservation>,
    stored: BTreeSet<(TenantId, ReservationId)>,
    changed_items: BTreeSet<ItemKey>,
    changed_reservations: BTreeSet<(TenantId, ReservationId)>,
    sales: Vec<Sale>,
}

impl Shelf {
    /// Puts an item on the shelf, with whether it can be ordered.
    pub fn put_item(&mut self, key: ItemKey, active: bool, stock: Stock) {
        self.items.insert(key, (active, stock));
    }

    /// Puts a stored reservation on the shelf.
    pub fn put_reservation(&mut self, reservation: Reservation) {
        let key = (reservation.tenant, reservation.id);
        self.stored.insert(key);
        self.reservations.insert(key, reservation);
    }

    /// The items whose stock changed, in lock order.
    pub fn changed_items(&self) -> impl Iterator<Item = (&ItemKey, Stock)> {
        self.changed_items
            .iter()
            .filter_map(|key| self.items.get(key).map(|(_, stock)| (key, *stock)))
    }

    /// The reservations that are new or changed, by id, and whether they are new.
    pub fn changed_reservations(&self) -> impl Iterator<Item = (&Reservation, bool)> {
        self.changed_reservations.iter().filter_map(|key| {
            let reservation = self.reservations.get(key)?;
            Some((reservation, !self.stored.contains(key)))
        })
    }

    /// The sales and reversals.
    #[must_use]
    pub fn sales(&self) -> &[Sale] {
        &self.sales
    }

    /// The stock of an item on the shelf.
    #[must_use]
    pub fn stock(&self, key: &ItemKey) -> Option<Stock> {
        self.items.get(key).map(|(_, stock)| *stock)
    }

    /// A reservation on the shelf.
    #[must_use]
    pub fn reservation(&self, tenant: TenantId, id: ReservationId) -> Option<&Reservation> {
        self.reservations.get(&(tenant, id))
    }

    /// Decides one command at the instant `now` of the database's clock. The one transition table
    /// of a reservation: an answer once given to an id stays what it was.
    pub fn decide(&mut self, command: Command, now: OffsetDateTime) -> Vec<Answer> {
        let key = (command.tenant, command.reservation);
        let found = self
            .reservations
            .get(&key)
            .map(|reservation| reservation.state.clone());
        let overdue = |expire_at: OffsetDateTime| expire_at <= now;
        match (found, command.action) {
            (None, Action::Reserve { lines, hold }) => {
                vec![self.reserve(key, command.order, &lines, now + hold)]
            }
            (Some(State::Held { expire_at }), Action::Reserve { .. }) => {
                vec![Answer::Reserved { expire_at }]
            }
            (Some(State::Committed), Action::Reserve { .. } | Action::Commit) => {
                vec![Answer::Committed]
            }
            (Some(State::Released), Action::Reserve { .. }) => vec![Answer::ReleasedBefore],
            (Some(State::Expired), Action::Reserve { .. }) => vec![Answer::Expired],
            (Some(State::Rejected(why)), Action::Reserve { .. }) => vec![Answer::Rejected(why)],

            (Some(State::Held { expire_at }), Action::Extend { hold }) if !overdue(expire_at) => {
                self.extend(key, now, hold);
                Vec::new()
            }
            (Some(State::Held { expire_at }), Action::Expire) if !overdue(expire_at) => Vec::new(),
            (Some(State::Held { .. }), Action::Extend { .. } | Action::Expire) => {
                vec![self.expire(key)]
            }

            (Some(State::Held { expire_at }), Action::Commit) if overdue(expire_at) => {
                vec![
                    self.expire(key),
                    Answer::CommitRefused(CommitRefusal::Expired),
                ]
            }
            (Some(State::Held { .. }), Action::Commit) => vec![self.commit(key)],
            (Some(State::Released), Action::Commit) => refused(CommitRefusal::Released),
            (Some(State::Expired), Action::Commit) => refused(CommitRefusal::Expired),
            (Some(State::Rejected(_)), Action::Commit) => refused(CommitRefusal::Rejected),
            (None, Action::Commit) => refused(CommitRefusal::Unknown),

            (Some(State::Held { .. }), Action::Release) => vec![self.release_held(key)],
            (Some(State::Committed), Action::Release) => vec![self.restock(key)],
            (Some(State::Released | State::Expired | State::Rejected(_)), Action::Release) => {
                vec![Answer::Released]
            }
            (None, Action::Release) => vec![self.remember_release(key, command.order)],

            (
                None
                | Some(State::Committed | State::Released | State::Expired | State::Rejected(_)),
                Action::Extend { .. } | Action::Expire,
            ) => Vec::new(),
        }
    }

    fn reserve(
        &mut self,
        (tenant, id): (TenantId, ReservationId),
        order: OrderId,
        lines: &[(Sku, Quantity)],
        expire_at: OffsetDateTime,
    ) -> Answer {
        let mut items: BTreeMap<Sku, i64> = BTreeMap::new();
        for (sku, quantity) in lines {
            *items.entry(sku.clone()).or_default() += i64::from(quantity.get());
        }
        let (state, answer) = match self.rejection(tenant, &items) {
            Some(why) => (State::Rejected(why.clone()), Answer::Rejected(why)),
            None => (State::Held { expire_at }, Answer::Reserved { expire_at }),
        };
        let held = matches!(state, State::Held { .. });
        let reservation = Reservation {
            tenant,
            id,
            order,
            state,
            items,
        };
        if held {
            self.shift(&reservation, |stock, units| stock.reserved += units);
        }
        self.reservations.insert((tenant, id), reservation);
        self.changed_reservations.insert((tenant, id));
        answer
    }

    /// Why these items cannot all be held, if they cannot.
    fn rejection(&self, tenant: TenantId, items: &BTreeMap<Sku, i64>) -> Option<Rejection> {
        let mut reason: Option<RejectReason> = None;
        let mut shortfalls = Vec::new();
        for (sku, &wanted) in items {
            let found = self.items.get(&ItemKey {
                tenant,
                sku: sku.clone(),
            });
            let (why, available) = match found {
                None => (RejectReason::UnknownSku, 0),
                Some((false, _)) => (RejectReason::ItemInactive, 0),
                Some((true, stock)) if stock.available() < wanted => {
                    (RejectReason::OutOfStock, stock.available())
                }
                Some((true, _)) => continue,
            };
            reason = Some(reason.map_or(why, |before| before.min(why)));
            if shortfalls.len() < Rejection::SHORTFALLS_MAX {
                shortfalls.push(Shortfall {
                    sku: sku.clone(),
                    wanted,
                    available,
                });
            }
        }
        reason.map(|reason| Rejection { reason, shortfalls })
    }

    fn extend(&mut self, key: (TenantId, ReservationId), now: OffsetDateTime, hold: Duration) {
        if let Some(reservation) = self.reservations.get_mut(&key)
            && let State::Held { expire_at } = &mut reservation.state
            && *expire_at < now + hold
        {
            *expire_at = now + hold;
            self.changed_reservations.insert(key);
        }
    }

    fn expire(&mut self, key: (TenantId, ReservationId)) -> Answer {
        self.give_back(key, State::Expired);
        Answer::Expired
    }

    fn release_held(&mut self, key: (TenantId, ReservationId)) -> Answer {
        self.give_back(key, State::Released);
        Answer::Released
    }

    fn give_back(&mut self, key: (TenantId, ReservationId), state: State) {
        if let Some(reservation) = self.change(key, state) {
            self.shift(&reservation, |stock, units| stock.reserved -= units);
        }
    }

    fn commit(&mut self, key: (TenantId, ReservationId)) -> Answer {
        if let Some(reservation) = self.change(key, State::Committed) {
            self.shift(&reservation, |stock, units| {
                stock.reserved -= units;
                stock.on_hand -= units;
            });
            self.note(&reservation, MovementKind::Sold, -1);
        }
        Answer::Committed
    }

    fn restock(&mut self, key: (TenantId, ReservationId)) -> Answer {
        if let Some(reservation) = self.change(key, State::Released) {
            self.shift(&reservation, |stock, units| stock.on_hand += units);
            self.note(&reservation, MovementKind::Restocked, 1);
        }
        Answer::Released
    }

    fn remember_release(
        &mut self,
        (tenant, id): (TenantId, ReservationId),
        order: OrderId,
    ) -> Answer {
        let items = BTreeMap::new();
        let tombstone = Reservation {
            tenant,
            id,
            order,
            state: State::Released,
            items,
        };
        self.reservations.insert((tenant, id), tombstone);
        self.changed_reservations.insert((tenant, id));
        Answer::Released
    }

    fn change(&mut self, key: (TenantId, ReservationId), state: State) -> Option<Reservation> {
        let reservation = self.reservations.get_mut(&key)?;
        reservation.state = state;
        self.changed_reservations.insert(key);
        Some(reservation.clone())
    }

    fn shift(&mut self, reservation: &Reservation, change: impl Fn(&mut Stock, i64)) {
        for (sku, &units) in &reservation.items {
            let key = ItemKey {
                tenant: reservation.tenant,
                sku: sku.clone(),
            };
            if let Some((_, stock)) = self.items.get_mut(&key) {
                change(stock, units);
                self.changed_items.insert(key);
            }
        }
    }

    /// Notes a sale or its reversal after the stock was shifted.
    fn note(&mut self, reservation: &Reservation, kind: MovementKind, sign: i64) {
        for (sku, &units) in &reservation.items {
            let key = ItemKey {
                tenant: reservation.tenant,
                sku: sku.clone(),
            };
            let on_hand_after = self.stock(&key).map_or(0, |stock| stock.on_hand);
            let reservation = reservation.id;
            self.sales.push(Sale {
                key,
                kind,
                delta: sign * units,
                on_hand_after,
                reservation,
            });
        }
    }
}

fn refused(why: CommitRefusal) -> Vec<Answer> {
    vec![Answer::CommitRefused(why)]
}

#[cfg(test)]
mod tests;
