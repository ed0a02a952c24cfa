//! A day of raw events on its way out of the database, and back.

use std::fmt;

use time::Date;

/// Where a day stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayState {
    /// It is to leave.
    Planned,
    /// Its partition stands aside: nothing is written to it any more.
    Detached,
    /// Its files are in the store, as far as those who wrote them know.
    Exported,
    /// They were read back, and have what the database has.
    Verified,
    /// Its events are in the files and nowhere else.
    Dropped,
    /// What was read back is not what the database has. Nothing was dropped.
    Failed {
        /// What differs, for the operator.
        reason: String,
    },
    /// It is being loaded from its files, which answer until that is done.
    Restoring {
        /// After which day it is to leave again; none: when it is told to.
        until: Option<Date>,
    },
    /// It has its partition again.
    Restored {
        /// After which day it leaves again; none: when it is told to.
        until: Option<Date>,
    },
}

/// What happens to a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DayEvent {
    /// It is past its age, or has late events.
    Planned,
    /// Its partition was set aside.
    Detached,
    /// Its files were written.
    Exported,
    /// They were read back and are right.
    Verified,
    /// They were read back and are not right, or are no longer as many as the rows.
    Differed {
        /// What differs.
        reason: String,
    },
    /// Its partition was dropped.
    Dropped,
    /// An operator has it exported anew.
    Retried,
    /// What was set aside went back, with all events of the day.
    GivenBack {
        /// After which day it leaves again.
        until: Option<Date>,
    },
    /// What was set aside went back into quarantine: older files have the rest of the day.
    Dissolved,
    /// Loading has begun, with nothing.
    ReturnBegun {
        /// After which day it leaves again.
        until: Option<Date>,
    },
    /// All of it is loaded, and answers.
    Returned,
    /// Loading was given up.
    ReturnAbandoned,
}

/// What happens to a day must not happen to it where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a day that is {state} cannot be {event:?}")]
pub struct NotItsTurn {
    /// Where it stands.
    pub state: DayState,
    /// What would have happened.
    pub event: DayEvent,
}

/// What is to be done with a day next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Set its partition aside.
    Detach,
    /// Write its files.
    Export,
    /// Read them back.
    Verify,
    /// Drop the partition.
    Drop,
    /// Load it from its files.
    Load {
        /// After which day it leaves again.
        until: Option<Date>,
    },
}

impl Step {
    /// Whether it locks out whoever reads days on their way, to move or fill a partition; the others
    /// only read.
    #[must_use]
    pub const fn moves_partitions(self) -> bool {
        match self {
            Self::Detach | Self::Drop | Self::Load { .. } => true,
            Self::Export | Self::Verify => false,
        }
    }
}

impl DayState {
    /// Its word, as it is stored and shown.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Detached => "detached",
            Self::Exported => "exported",
            Self::Verified => "verified",
            Self::Dropped => "dropped",
            Self::Failed { .. } => "failed",
            Self::Restoring { .. } => "restoring",
            Self::Restored { .. } => "restored",
        }
    }

    /// All words, in the order of a day's life.
    pub const WORDS: [&'static str; 8] = [
        "planned",
        "detached",
        "exported",
        "verified",
        "dropped",
        "failed",
        "restoring",
        "restored",
    ];

    /// What is to be done next; none: nothing, unless somebody wants it.
    #[must_use]
    pub const fn step(&self) -> Option<Step> {
        match self {
            Self::Planned => Some(Step::Detach),
            Self::Detached => Some(Step::Export),
            Self::Exported => Some(Step::Verify),
            Self::Verified => Some(Step::Drop),
            Self::Restoring { until } => Some(Step::Load { until: *until }),
            Self::Dropped | Self::Failed { .. } | Self::Restored { .. } => None,
        }
    }

    /// Where it stands after an event: the one table of transitions.
    ///
    /// # Errors
    /// [`NotItsTurn`]; the state is as it was.
    pub fn on(self, event: DayEvent) -> Result<Self, NotItsTurn> {
        match (&self, event) {
            (Self::Dropped | Self::Restored { .. }, DayEvent::Planned) => Ok(Self::Planned),
            (Self::Planned, DayEvent::Detached) | (Self::Failed { .. }, DayEvent::Retried) => {
                Ok(Self::Detached)
            }
            (Self::Detached, DayEvent::Exported) => Ok(Self::Exported),
            (Self::Exported, DayEvent::Verified) => Ok(Self::Verified),
            (Self::Exported | Self::Verified, DayEvent::Differed { reason }) => {
                Ok(Self::Failed { reason })
            }
            (Self::Verified, DayEvent::Dropped)
            | (Self::Restoring { .. }, DayEvent::ReturnAbandoned)
            | (
                Self::Detached | Self::Exported | Self::Verified | Self::Failed { .. },
                DayEvent::Dissolved,
            ) => Ok(Self::Dropped),
            (
                Self::Detached | Self::Exported | Self::Verified | Self::Failed { .. },
                DayEvent::GivenBack { until },
            ) => Ok(Self::Restored { until }),
            (Self::Restoring { until }, DayEvent::Returned) => Ok(Self::Restored { until: *until }),
            (Self::Dropped | Self::Restoring { .. }, DayEvent::ReturnBegun { until }) => {
                Ok(Self::Restoring { until })
            }
            (
                _state,
                event @ (DayEvent::Planned
                | DayEvent::Detached
                | DayEvent::Exported
                | DayEvent::Verified
                | DayEvent::Differed { .. }
                | DayEvent::Dropped
                | DayEvent::Retried
                | DayEvent::GivenBack { .. }
                | DayEvent::Dissolved
                | DayEvent::ReturnBegun { .. }
                | DayEvent::Returned
                | DayEvent::ReturnAbandoned),
            ) => Err(NotItsTurn { state: self, event }),
        }
    }
}

impl fmt::Display for DayState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A day and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveDay {
    /// Which day, of UTC.
    pub day: Date,
    /// Which export of it: late events make a further one, as does a day that was restored.
    pub edition: i32,
    /// Where it stands.
    pub state: DayState,
}

impl ArchiveDay {
    /// What all objects of the day begin with, in the store.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("events/dt={}", self.day)
    }

    /// Where a part of this edition lies, below the store's URL. It depends on nothing else, so
    /// whoever tries again writes the same objects.
    #[must_use]
    pub fn path(&self, part: i32) -> String {
        let (prefix, edition) = (self.prefix(), self.edition);
        format!("{prefix}/part-{edition:04}-{part:04}.parquet")
    }
}

#[cfg(test)]
mod tests;
