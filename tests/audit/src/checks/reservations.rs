//! Group 5: stock is promised only for orders that live.

use crate::check::{Check, Service, Sql, Test};
use crate::findings::{Found, Offender, Subject};
use crate::world::{Order, Reservation, ReservationState, Stage, World};

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 5,
        invariant: "reservations.have_an_order",
        says: "every reservation is one that its order asked for",
        test: Test::World(have_an_order),
    },
    Check {
        group: 5,
        invariant: "reservations.fit_their_order",
        says: "a sold order has committed exactly its lines, an undone one holds nothing",
        test: Test::World(fit_their_order),
    },
    Check {
        group: 5,
        invariant: "reservations.expire_in_time",
        says: "no reservation is held past its expiry",
        test: Test::Sql(Sql {
            on: &[Service::Inventory],
            subject: Subject::Reservation,
            checked: "select count(*) from reservations where state = 'held'",
            offenders: OVERDUE,
        }),
    },
];

const OVERDUE: &str = "
select tenant_id, reservation_id::text, 'is held and expired at ' || expire_at
from reservations
where state = 'held'
  and expire_at < now() - current_setting('audit.grace')::float8 * interval '1 millisecond'";

fn have_an_order(world: &World) -> Found {
    Found::over(world.reservations.values(), |reservation| {
        let asked = |order: &Order| {
            (1..=order.reservations).any(|number| order.reservation(number) == reservation.id)
        };
        let detail = match world.orders.get(&reservation.order()) {
            None => format!(
                "is {}, and its order is not there",
                reservation.state.name()
            ),
            Some(order) if !asked(order) => {
                format!(
                    "is {}, and its order never asked for it",
                    reservation.state.name()
                )
            }
            Some(_) => return None,
        };
        Some(Offender::new(reservation.tenant, reservation.id, detail))
    })
}

fn fit_their_order(world: &World) -> Found {
    let orders = world.orders.values();
    Found::over(
        orders.filter(|order| order.stage() != Stage::Open),
        |order| {
            let live: Vec<&Reservation> = (1..=order.reservations)
                .filter_map(|number| {
                    let key = (order.tenant, order.reservation(number));
                    world.reservations.get(&key)
                })
                .filter(|reservation| reservation.state.is_live())
                .collect();
            let detail = match order.stage() {
                Stage::Open => None,
                Stage::Confirmed | Stage::Shipped | Stage::Delivered => unsold(order, &live),
                Stage::Returned | Stage::Undone => kept(&live),
            };
            let detail = format!("is {} and {}", order.state.name(), detail?);
            Some(Offender::new(order.tenant, order.id, detail))
        },
    )
}

fn unsold(order: &Order, live: &[&Reservation]) -> Option<String> {
    let [only] = live else {
        return Some(format!("has {} reservations", live.len()));
    };
    if only.state != ReservationState::Committed {
        return Some(format!("its stock is only {}", only.state.name()));
    }
    (only.holds != order.wanted).then(|| format!("{} has not its units", only.id))
}

fn kept(live: &[&Reservation]) -> Option<String> {
    let first = live.first()?;
    Some(format!("{} is {}", first.id, first.state.name()))
}
