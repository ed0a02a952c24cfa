//! Moving orders: lock, fold in memory through the pure machine, write back set-based.

use std::collections::{HashMap, HashSet};

use sqlx::PgConnection;
use time::OffsetDateTime;
use tradepost_messaging::{Message, Outgoing, inbox};
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_types::{OrderId, TenantId};

use super::row::OrderRow;
use super::stored::{StoredEvent, StoredSaga};
use super::{CONSUMER, PgOrders, read};
use crate::adapters::amqp::{self, Cause};
use crate::domain::saga::{Command, Reaction, Refusal, Transition};
use crate::domain::{Event, Input, Order};
use crate::ports::{Applied, BatchError, Incoming, Move, StoreError, Wish, WishError};

/// One order in a transaction: as it becomes, and what is to be written about it.
struct Folded {
    order: Order,
    now: OffsetDateTime,
    touched: bool,
    events: Vec<NewEvent>,
    effects: Vec<Effect>,
}

struct NewEvent {
    version: i64,
    event: Event,
    cause: String,
    trace_id: String,
}

/// The messages of one transition, rendered once the lines are loaded.
struct Effect {
    order: Order,
    cause: Option<Message>,
    transition: Box<Transition>,
}

/// What a transaction wrote.
#[derive(Default)]
pub(super) struct Saved {
    pub(super) orders: Vec<Order>,
    /// Whether the relay has something to carry. One that is woken for nothing asks the database
    /// for nothing, and what comes next waits for that.
    pub(super) has_messages: bool,
}

/// Why one input was not folded.
enum FoldFault {
    UnknownVersion(i32),
    Refused(Refusal),
}

impl PgOrders {
    pub(super) async fn apply_batch_once(
        &self,
        batch: &[Incoming],
    ) -> Result<(Applied, Saved), BatchError> {
        let mut tx = self.database.system_tx().await?;
        let messages: Vec<&Message> = batch.iter().map(|incoming| &incoming.message).collect();
        let mut fresh = inbox::claim(tx.conn(), CONSUMER, &messages).await?;
        let keys: HashSet<(TenantId, OrderId)> = batch
            .iter()
            .map(|incoming| (incoming.message.tenant, incoming.order))
            .collect();
        let keys: Vec<_> = keys.into_iter().collect();
        let mut orders = load(read::lock(tx.conn(), &keys).await?)?;
        let mut applied = Applied::default();
        for incoming in batch {
            // A twin in the same batch is a duplicate too.
            if !fresh.remove(&incoming.message.id) {
                continue;
            }
            let folded = orders
                .get_mut(&(incoming.message.tenant, incoming.order))
                .ok_or(BatchError::UnknownOrder(incoming.order))?;
            let cause = Cause::message(&incoming.message);
            self.fold(folded, &incoming.input, &cause, &mut applied)
                .map_err(|fault| match fault {
                    FoldFault::UnknownVersion(version) => BatchError::UnknownVersion {
                        order: incoming.order,
                        version,
                    },
                    FoldFault::Refused(_) => BatchError::Illegal(incoming.order),
                })?;
        }
        let saved = self.save(tx.conn(), orders.into_values()).await?;
        tx.commit().await?;
        Ok((applied, saved))
    }

    pub(super) async fn fire_deadlines_once(
        &self,
        limit: i64,
    ) -> Result<(Applied, Saved), StoreError> {
        let mut tx = self.database.system_tx().await?;
        let versions = self.definitions.versions();
        let mut orders = load_readable(read::lock_due(tx.conn(), &versions, limit).await?);
        let mut applied = Applied::default();
        for folded in orders.values_mut() {
            let fired = self.fold(folded, &Input::Deadline, &Cause::Timer, &mut applied);
            if fired.is_err() || !folded.touched {
                folded.put_off(self.definitions.policy().step_max);
            }
        }
        let saved = self.save(tx.conn(), orders.into_values()).await?;
        tx.commit().await?;
        Ok((applied, saved))
    }

    pub(super) async fn wish_once(&self, wish: &Wish) -> Result<(Order, Applied), WishError> {
        let mut tx = self.database.tenant_tx(wish.tenant).await?;
        let (request_id, fingerprint) = (wish.key.request_id.as_str(), &wish.key.fingerprint);
        let claim = idempotency::claim(
            tx.conn(),
            wish.tenant,
            wish.operation,
            request_id,
            fingerprint,
        )
        .await?;
        match claim {
            Claim::Fresh => {}
            Claim::Mismatch => return Err(WishError::Mismatch),
            Claim::Replay(_) => {
                let order = read::find(tx.conn(), wish.tenant, wish.order).await?;
                return Ok((order.ok_or(WishError::NotFound)?, Applied::default()));
            }
        }
        let key = (wish.tenant, wish.order);
        let mut orders = load(read::lock(tx.conn(), &[key]).await?)?;
        let mut folded = orders.remove(&key).ok_or(WishError::NotFound)?;
        let mut applied = Applied::default();
        let traceparent = tradepost_telemetry::current_traceparent();
        let cause = Cause::request(request_id, traceparent.as_deref());
        self.fold(&mut folded, &wish.input, &cause, &mut applied)
            .map_err(|fault| match fault {
                FoldFault::UnknownVersion(_) => WishError::UnknownVersion,
                FoldFault::Refused(refusal) => WishError::Refused(refusal),
            })?;
        let order = folded.order.clone();
        self.save(tx.conn(), [folded]).await?;
        let answer = order.id.as_uuid();
        idempotency::complete(
            tx.conn(),
            wish.tenant,
            wish.operation,
            request_id,
            answer.as_bytes(),
        )
        .await?;
        tx.commit().await?;
        Ok((order, applied))
    }

    /// Applies one input in memory.
    fn fold(
        &self,
        folded: &mut Folded,
        input: &Input,
        cause: &Cause<'_>,
        applied: &mut Applied,
    ) -> Result<(), FoldFault> {
        let version = folded.order.saga_version;
        let apply = self
            .definitions
            .definition(version)
            .ok_or(FoldFault::UnknownVersion(version))?;
        let policy = self.definitions.policy();
        let reaction =
            apply(&folded.order, input, folded.now, policy).map_err(FoldFault::Refused)?;
        applied.inputs += 1;
        match reaction {
            Reaction::Ignored(why) => applied.ignored.push(why),
            Reaction::Moved(transition) => {
                let before = folded.order.saga.phase.state();
                folded.take(transition, cause);
                let order = &folded.order;
                let to = order.saga.phase.state();
                if to != before {
                    applied.moves.push(Move {
                        order: order.id,
                        to,
                        reject_reason: order.reject_reason().map(str::to_owned),
                        age: folded.now - order.created_at,
                    });
                }
            }
        }
        Ok(())
    }

    /// Writes what was touched, and returns it.
    async fn save(
        &self,
        conn: &mut PgConnection,
        folded: impl IntoIterator<Item = Folded>,
    ) -> Result<Saved, StoreError> {
        let touched = folded.into_iter().filter(|each| each.touched);
        let folded: Vec<Folded> = touched.collect();
        if folded.is_empty() {
            return Ok(Saved::default());
        }
        update_orders(conn, &folded).await?;
        insert_events(conn, &folded).await?;
        let messages = self.render(conn, &folded).await?;
        self.outbox.append(conn, &messages).await?;
        Ok(Saved {
            orders: folded.into_iter().map(|each| each.order).collect(),
            has_messages: !messages.is_empty(),
        })
    }

    async fn render(
        &self,
        conn: &mut PgConnection,
        folded: &[Folded],
    ) -> Result<Vec<Outgoing>, StoreError> {
        let effects = || folded.iter().flat_map(|each| &each.effects);
        let with_lines: Vec<(TenantId, OrderId)> = effects()
            .filter(|effect| {
                let mut commands = effect.transition.commands.iter();
                commands.any(|command| matches!(command, Command::ReserveStock(_)))
            })
            .map(|effect| (effect.order.tenant, effect.order.id))
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        let lines = if with_lines.is_empty() {
            HashMap::new()
        } else {
            read::lines(conn, &with_lines).await?
        };
        let hold_seconds = self.definitions.policy().hold_seconds;
        let rendered = effects().flat_map(|effect| {
            let cause = effect.cause.as_ref().map_or(Cause::Timer, Cause::message);
            let supplement = amqp::Supplement {
                lines: lines.get(&effect.order.id).map_or(&[], Vec::as_slice),
                hold_seconds,
            };
            let transition = &effect.transition;
            amqp::outgoing(
                &effect.order,
                &cause,
                &transition.commands,
                &transition.facts,
                supplement,
            )
        });
        Ok(rendered.collect())
    }
}

impl Folded {
    /// A deadline that the machine had no use for must not come again at once; and a live order
    /// must not lose its timer over it.
    fn put_off(&mut self, by: time::Duration) {
        let rests = self.order.is_final() || self.order.saga.phase.attention().is_some();
        self.order.timer.at = (!rests).then(|| self.now + by);
        self.touched = true;
    }

    fn take(&mut self, transition: Box<Transition>, cause: &Cause<'_>) {
        let trace_id = cause.trace_id(&self.order);
        for event in &transition.events {
            self.order.version += 1;
            self.order.updated_at = self.now;
            self.events.push(NewEvent {
                version: self.order.version,
                event: event.clone(),
                cause: cause.text(),
                trace_id: trace_id.clone(),
            });
        }
        self.order.saga = transition.saga.clone();
        self.order.timer = transition.timer;
        self.touched = true;
        self.effects.push(Effect {
            order: self.order.clone(),
            cause: cause.as_message().cloned(),
            transition,
        });
    }
}

fn load(rows: Vec<OrderRow>) -> Result<HashMap<(TenantId, OrderId), Folded>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let clock = row.clock;
            let order = row.into_order()?;
            let folded = Folded {
                // Time never runs backwards in a history, whatever the clock does.
                now: clock.max(order.updated_at),
                order,
                touched: false,
                events: Vec::new(),
                effects: Vec::new(),
            };
            Ok(((folded.order.tenant, folded.order.id), folded))
        })
        .collect()
}

/// As [`load`], but one unreadable row must not stop the timers of all others.
fn load_readable(rows: Vec<OrderRow>) -> HashMap<(TenantId, OrderId), Folded> {
    rows.into_iter()
        .filter_map(|row| {
            load(vec![row])
                .inspect_err(|error| {
                    let error: &dyn std::error::Error = error;
                    tracing::error!(event = "order.row_unreadable", error, "a timer cannot fire");
                })
                .ok()
        })
        .flatten()
        .collect()
}

async fn update_orders(conn: &mut PgConnection, folded: &[Folded]) -> Result<(), StoreError> {
    let orders = || folded.iter().map(|each| &each.order);
    let attention = || orders().map(|order| order.saga.phase.attention());
    let mut sagas = Vec::with_capacity(folded.len());
    for order in orders() {
        sagas.push(json(&StoredSaga::from(order.saga.clone()))?);
    }
    let attempts: Vec<i32> = orders()
        .map(|order| i32::try_from(order.timer.attempts).unwrap_or(i32::MAX))
        .collect();
    sqlx::query(UPDATE)
        .bind(collect(orders(), |order| order.tenant.as_uuid()))
        .bind(collect(orders(), |order| order.id.as_uuid()))
        .bind(collect(orders(), |order| order.saga.phase.state().name()))
        .bind(sagas)
        .bind(collect(orders(), |order| order.reject_reason()))
        .bind(collect(attention(), |stuck| {
            stuck.map(|stuck| stuck.step.name())
        }))
        .bind(collect(attention(), |stuck| {
            stuck.map(|stuck| stuck.reason.as_str())
        }))
        .bind(collect(orders(), |order| order.version))
        .bind(collect(orders(), |order| order.timer.at))
        .bind(attempts)
        .bind(collect(orders(), |order| order.updated_at))
        .execute(conn)
        .await?;
    Ok(())
}

async fn insert_events(conn: &mut PgConnection, folded: &[Folded]) -> Result<(), StoreError> {
    let events: Vec<(&Folded, &NewEvent)> = folded
        .iter()
        .flat_map(|each| each.events.iter().map(move |event| (each, event)))
        .collect();
    if events.is_empty() {
        return Ok(());
    }
    let mut data = Vec::with_capacity(events.len());
    for (_, new) in &events {
        let saga = new.event.saga.clone().into();
        data.push(json(&StoredEvent { saga, placed: None })?);
    }
    let events = || events.iter();
    sqlx::query(INSERT_EVENTS)
        .bind(collect(events(), |(each, _)| each.order.tenant.as_uuid()))
        .bind(collect(events(), |(each, _)| each.order.id.as_uuid()))
        .bind(collect(events(), |(_, new)| new.version))
        .bind(collect(events(), |(_, new)| new.event.kind.name()))
        .bind(collect(events(), |(_, new)| {
            new.event.saga.phase.state().name()
        }))
        .bind(collect(events(), |(_, new)| new.event.description.as_str()))
        .bind(data)
        .bind(collect(events(), |(_, new)| new.cause.as_str()))
        .bind(collect(events(), |(_, new)| new.trace_id.as_str()))
        .bind(collect(events(), |(each, _)| each.now))
        .execute(conn)
        .await?;
    Ok(())
}

fn collect<S, T>(source: impl Iterator<Item = S>, value: impl Fn(S) -> T) -> Vec<T> {
    source.map(value).collect()
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Faulty(error.into()))
}

const UPDATE: &str = "
update orders o
set state = u.state, saga = u.saga::jsonb, reject_reason = u.reject_reason,
    attention_step = u.attention_step, attention_reason = u.attention_reason,
    version = u.version, deadline_at = u.deadline_at, deadline_attempts = u.deadline_attempts,
    updated_at = u.updated_at
from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::int8[], $9::timestamptz[], $10::int4[], $11::timestamptz[])
    as u(tenant_id, order_id, state, saga, reject_reason, attention_step, attention_reason,
        version, deadline_at, deadline_attempts, updated_at)
where o.tenant_id = u.tenant_id and o.order_id = u.order_id";

const INSERT_EVENTS: &str = "
insert into order_events (tenant_id, order_id, version, type, state, description, data, cause,
    trace_id, created_at)
select u.tenant_id, u.order_id, u.version, u.type, u.state, u.description, u.data::jsonb, u.cause,
    u.trace_id, u.created_at
from unnest($1::uuid[], $2::uuid[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::timestamptz[])
    as u(tenant_id, order_id, version, type, state, description, data, cause, trace_id,
        created_at)";
