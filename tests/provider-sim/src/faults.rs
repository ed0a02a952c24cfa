//! Faults on demand: rules that say which requests and which webhooks go wrong, and how.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use crate::journal::Op;

mod rule;

pub use rule::{Fault, OpMatch, Rule, RuleError};

/// Most rules at one time.
const RULES_MAX: usize = 1_000;

/// A rule in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActiveRule {
    /// Names the rule until it is removed.
    pub id: u64,
    /// How often it has fired.
    pub fired: u64,
    /// What it does; `times` counts down.
    #[serde(flatten)]
    pub rule: Rule,
}

/// What a rule is matched against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) op: Op,
    pub(crate) payment_method: Option<&'a str>,
    pub(crate) payment_id: Option<&'a str>,
}

/// The switchboard; clones share the same rules.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<Switches>>);

#[derive(Debug)]
struct Switches {
    rules: Vec<ActiveRule>,
    next_id: u64,
    dice: StdRng,
}

impl Default for Faults {
    fn default() -> Self {
        let dice = StdRng::seed_from_u64(0);
        Self(Arc::new(Mutex::new(Switches {
            rules: Vec::new(),
            next_id: 1,
            dice,
        })))
    }
}

impl Faults {
    /// Puts a rule in force behind those that are, and returns its id.
    ///
    /// # Errors
    /// The rule makes no sense, or there are too many.
    pub fn add(&self, rule: Rule) -> Result<u64, RuleError> {
        rule.check()?;
        let mut switches = self.lock();
        if switches.rules.len() >= RULES_MAX {
            return Err(RuleError::TooMany);
        }
        let id = switches.next_id;
        switches.next_id += 1;
        switches.rules.push(ActiveRule { id, fired: 0, rule });
        Ok(id)
    }

    /// Takes a rule out; `false` when it was not there.
    pub fn remove(&self, id: u64) -> bool {
        let mut switches = self.lock();
        let before = switches.rules.len();
        switches.rules.retain(|active| active.id != id);
        switches.rules.len() != before
    }

    /// Takes all rules out.
    pub fn clear(&self) {
        self.lock().rules.clear();
    }

    /// The rules, spent ones included.
    pub fn list(&self) -> Vec<ActiveRule> {
        self.lock().rules.clone()
    }

    /// Nearly free; most runs have no rules.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().rules.is_empty()
    }

    /// Starts the dice of the probabilities anew.
    pub fn seed(&self, seed: u64) {
        self.lock().dice = StdRng::seed_from_u64(seed);
    }

    pub(crate) fn for_request(&self, subject: Subject<'_>) -> Option<Fault> {
        self.draw(subject, |fault| {
            !fault.is_for_webhooks() && fault.suits(subject.op)
        })
    }

    pub(crate) fn for_webhook(&self, subject: Subject<'_>) -> Option<Fault> {
        self.draw(subject, Fault::is_for_webhooks)
    }

    /// The first rule that matches fires, and is counted down.
    fn draw(&self, subject: Subject<'_>, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut switches = self.lock();
        let Switches { rules, dice, .. } = &mut *switches;
        for active in rules.iter_mut() {
            let rule = &mut active.rule;
            if rule.times == Some(0) || !wanted(&rule.fault) || !rule.matches(subject) {
                continue;
            }
            if rule
                .probability
                .is_some_and(|chance| dice.random::<f64>() >= chance)
            {
                continue;
            }
            rule.times = rule.times.map(|times| times.saturating_sub(1));
            active.fired += 1;
            return Some(rule.fault.clone());
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
