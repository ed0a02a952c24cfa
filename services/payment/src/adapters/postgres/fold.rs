//! Folds a batch of commands or news through the cases and gathers what follows.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::Rng;
use sqlx::PgConnection;
use tradepost_messaging::{Message, Outbox, Outgoing};
use tradepost_postgres::DbError;
use tradepost_types::{MessageId, Money, RefundId};

use super::Pace;
use super::cases::{self, Cases, Held, RefundNotes};
use super::entries::{self, NewEntry};
use crate::adapters::amqp::render;
use crate::domain::{
    Case, Effects, Input, Origin, Payment, RefundCase, RefundRefusal, RefundReply, RefundState,
    Reply, Told,
};
use crate::ports::{Action, Asked, Done, Key, NO_CURRENCY, News, Outcome};

/// A refund that somebody wishes for.
pub(super) struct Wish {
    pub(super) id: RefundId,
    pub(super) amount: Option<Money>,
    pub(super) origin: Origin,
    pub(super) notes: RefundNotes,
}

/// A batch under way.
pub(super) struct Fold {
    pub(super) cases: Cases,
    messages: Vec<Outgoing>,
    entries: Vec<NewEntry>,
    told: Vec<&'static str>,
}

impl Fold {
    /// Loads and locks the payments of `keys` that exist.
    pub(super) async fn lock(
        conn: &mut PgConnection,
        keys: impl Iterator<Item = Key>,
    ) -> Result<Self, DbError> {
        let keys: Vec<Key> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        Ok(Self {
            cases: cases::lock(conn, &keys).await?,
            messages: Vec::new(),
            entries: Vec::new(),
            told: Vec::new(),
        })
    }

    /// Writes everything.
    pub(super) async fn save(
        self,
        conn: &mut PgConnection,
        outbox: &Outbox,
        pace: Pace,
    ) -> Result<Done, DbError> {
        let work = cases::save(conn, &self.cases, pace).await?;
        entries::insert(conn, &self.entries).await?;
        outbox.append(conn, &self.messages).await?;
        let told = self.told;
        Ok(Done { work, told })
    }

    /// Carries out a command.
    pub(super) fn command(&mut self, asked: &Asked) {
        let key = Key {
            tenant: asked.cause.tenant,
            payment: asked.payment,
        };
        let cause = Some(asked.cause.id.as_uuid());
        match &asked.action {
            Action::Authorize {
                amount,
                payment_method,
            } => {
                if let Some(held) = self.cases.get_mut(&key) {
                    trace(held, &asked.cause);
                    held.causes.authorize = cause;
                    self.take(key, Input::Authorize);
                } else {
                    let (case, effects) = Case::open(key.tenant, key.payment, asked.order, *amount);
                    let mut held = Held::new(case, Some(payment_method.expose().clone()));
                    trace(&mut held, &asked.cause);
                    held.causes.authorize = cause;
                    self.cases.insert(key, held);
                    self.note(key, effects);
                }
            }
            Action::Capture(amount) => {
                let Some(held) = self.cases.get_mut(&key) else {
                    let reason = "PAYMENT_NOT_FOUND".to_owned();
                    return self
                        .tell_unknown(asked, Told::Payment(Reply::CaptureFailed { reason }));
                };
                trace(held, &asked.cause);
                held.causes.capture = cause;
                self.take(key, Input::Capture(*amount));
            }
            Action::Void => {
                let held = self.cases.entry(key).or_insert_with(|| {
                    let grave = Payment::tombstone(Money::zero(NO_CURRENCY));
                    Held::new(
                        Case::with(key.tenant, key.payment, asked.order, grave),
                        None,
                    )
                });
                trace(held, &asked.cause);
                held.causes.void = cause;
                self.take(key, Input::Void);
            }
            Action::Refund(id, amount) => self.refund_command(key, asked, *id, *amount),
        }
    }

    fn refund_command(&mut self, key: Key, asked: &Asked, id: RefundId, amount: Option<Money>) {
        let Some(held) = self.cases.get_mut(&key) else {
            return self.tell_unknown(asked, failed(id, amount, "PAYMENT_NOT_FOUND"));
        };
        if let Some(made) = held.case.refunds.iter().find(|made| made.refund.id == id) {
            let amount = made.refund.amount;
            let reply = match made.refund.state {
                RefundState::Requested | RefundState::Submitted | RefundState::Unknown => return,
                RefundState::Succeeded => RefundReply::Succeeded,
                RefundState::Failed => RefundReply::Failed {
                    reason: made.refund.failure_reason.clone().unwrap_or_default(),
                },
            };
            return self.tell_unknown(asked, Told::Refund(id, amount, reply));
        }
        let notes = RefundNotes {
            cause: Some(asked.cause.id.as_uuid()),
            traceparent: asked.cause.traceparent.clone(),
            ..RefundNotes::default()
        };
        let wish = Wish {
            id,
            amount,
            origin: Origin::Command,
            notes,
        };
        if let Err(refusal) = self.refund(key, wish) {
            self.tell_unknown(asked, failed(id, amount, refusal.name()));
        }
    }

    /// Asks for a refund of a payment that was loaded.
    pub(super) fn refund(&mut self, key: Key, wish: Wish) -> Result<(), RefundRefusal> {
        let Some(held) = self.cases.get_mut(&key) else {
            return Err(RefundRefusal::NotCaptured);
        };
        let effects = held
            .case
            .request_refund(wish.id, wish.amount, wish.origin)?;
        held.refund_notes.insert(wish.id, wish.notes);
        self.note(key, effects);
        Ok(())
    }

    /// Takes news; false if the payment is not there.
    pub(super) fn news(&mut self, outcome: &Outcome) -> bool {
        let key = outcome.key;
        let Some(held) = self.cases.get_mut(&key) else {
            return false;
        };
        match &outcome.news {
            News::Payment { .. } | News::Refund { .. } | News::Dispute(_) => {
                let effects = hear(&mut held.case, &outcome.news);
                self.note(key, effects);
            }
            News::Postponed(None, asked) => {
                held.case.postponed();
                held.retry_after = *asked;
            }
            News::Postponed(Some(id), asked) => {
                let same = |made: &&mut RefundCase| made.refund.id == *id;
                if let Some(made) = held.case.refunds.iter_mut().find(same) {
                    made.attempts = made.attempts.saturating_add(1);
                }
                held.refund_notes.entry(*id).or_default().retry_after = *asked;
            }
        }
        true
    }

    fn take(&mut self, key: Key, input: Input) {
        if let Some(held) = self.cases.get_mut(&key) {
            let effects = held.case.take(input);
            self.note(key, effects);
        }
    }

    fn note(&mut self, key: Key, effects: Effects) {
        self.entries
            .extend(
                effects
                    .entries
                    .into_iter()
                    .map(|(entry, part)| NewEntry { key, part, entry }),
            );
        let Some(held) = self.cases.get(&key) else {
            return;
        };
        for told in effects.told {
            let (cause, traceparent) = cause_of(held, &told);
            let subject = render::Subject {
                tenant: key.tenant,
                payment: key.payment,
                order: held.case.order,
                amount: held.case.payment.amount,
            };
            let mut message = render::told(subject, &told).correlated(held.case.order.as_uuid());
            message.message.causation = cause.map(MessageId::from_uuid);
            self.messages.push(message.traced(traceparent));
            self.told.push(render::word(&told));
        }
    }

    /// Answers a command about what is not stored.
    fn tell_unknown(&mut self, asked: &Asked, told: Told) {
        let subject = render::Subject {
            tenant: asked.cause.tenant,
            payment: asked.payment,
            order: asked.order,
            amount: Money::zero(NO_CURRENCY),
        };
        self.told.push(render::word(&told));
        self.messages
            .push(render::told(subject, &told).caused_by(&asked.cause));
    }
}

/// Whether the news change nothing that is stored and have nothing told.
pub(super) fn is_known(held: &Held, news: &News) -> bool {
    let mut case = held.case.clone();
    hear(&mut case, news) == Effects::default() && case == held.case
}

/// What the provider's news do to a case.
fn hear(case: &mut Case, news: &News) -> Effects {
    match news {
        News::Payment { reference, input } => {
            if case.reference.is_none() {
                case.reference.clone_from(reference);
            }
            case.take(input.clone())
        }
        News::Refund {
            id,
            reference,
            input,
        } => {
            let same = |made: &&mut RefundCase| made.refund.id == *id;
            if let Some(made) = case.refunds.iter_mut().find(same)
                && made.reference.is_none()
            {
                made.reference.clone_from(reference);
            }
            case.take_refund(*id, input.clone())
        }
        News::Dispute(news) => case.take_dispute(news.clone()),
        News::Postponed(..) => Effects::default(),
    }
}

fn failed(id: RefundId, amount: Option<Money>, reason: &str) -> Told {
    let amount = amount.unwrap_or(Money::zero(NO_CURRENCY));
    let reason = reason.to_owned();
    Told::Refund(id, amount, RefundReply::Failed { reason })
}

fn trace(held: &mut Held, cause: &Message) {
    if cause.traceparent.is_some() {
        held.causes.traceparent.clone_from(&cause.traceparent);
    }
}

/// The message that asked for what is answered, and its trace.
fn cause_of(held: &Held, told: &Told) -> (Option<uuid::Uuid>, Option<String>) {
    let causes = &held.causes;
    let cause = match told {
        Told::Payment(
            Reply::Authorized
            | Reply::Declined { .. }
            | Reply::ActionRequired
            | Reply::OutcomeUnknown
            | Reply::Conflicted,
        ) => causes.authorize,
        Told::Payment(Reply::Captured(_) | Reply::CaptureFailed { .. }) => causes.capture,
        Told::Payment(Reply::Voided | Reply::VoidFailed { .. }) => causes.void.or(causes.authorize),
        Told::Refund(id, ..) => {
            let notes = held.refund_notes.get(id);
            return (
                notes.and_then(|notes| notes.cause),
                notes.and_then(|notes| notes.traceparent.clone()),
            );
        }
        // Nobody of ours asked for it.
        Told::Dispute(..) => None,
    };
    (cause, causes.traceparent.clone())
}

/// The wait after so many fruitless calls: doubling, and between half of it and all.
pub(super) fn backoff(attempts: u32, pace: Pace) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let whole = pace.backoff_min.saturating_mul(1 << doublings);
    let half = whole.min(pace.backoff_max) / 2;
    let spread = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(rand::rng().random_range(0..=spread))
}
