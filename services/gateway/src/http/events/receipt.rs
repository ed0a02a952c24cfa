//! What became of a batch.

use std::collections::BTreeMap;

use serde::Serialize;
use tradepost_proto::metrics::v1 as pb;
use utoipa::ToSchema;

use crate::http::strict_json::Misread;

/// The most rejections that are named.
pub(super) const REJECTIONS_MAX: usize = 100;

/// Why an event was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum RejectionReason {
    /// The line is no JSON.
    InvalidJson,
    /// The line is no event: a field is missing, unknown or of another type.
    InvalidField,
    /// The event type is empty, too long or has characters it may not have.
    EventTypeInvalid,
    /// The user id is too long.
    UserIdInvalid,
    /// The value is not a finite number.
    ValueNotFinite,
    /// The magnitude of the value is above 1e100.
    ValueTooLarge,
    /// The time is none that a calendar has.
    TimeInvalid,
    /// The time is before everything that is kept.
    TooOld,
    /// The time is after the server's clock, by more than clocks differ.
    InFuture,
    /// One that is newer than this gateway.
    Unspecified,
}

impl From<pb::RejectionReason> for RejectionReason {
    fn from(reason: pb::RejectionReason) -> Self {
        match reason {
            pb::RejectionReason::EventTypeInvalid => Self::EventTypeInvalid,
            pb::RejectionReason::UserIdInvalid => Self::UserIdInvalid,
            pb::RejectionReason::ValueNotFinite => Self::ValueNotFinite,
            pb::RejectionReason::ValueTooLarge => Self::ValueTooLarge,
            pb::RejectionReason::TimeInvalid => Self::TimeInvalid,
            pb::RejectionReason::TooOld => Self::TooOld,
            pb::RejectionReason::InFuture => Self::InFuture,
            // Places are of packed batches, which this gateway does not send.
            pb::RejectionReason::PlaceUnknown | pb::RejectionReason::Unspecified => {
                Self::Unspecified
            }
        }
    }
}

/// An event that was not stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rejection {
    /// Its place among the events of the request, from 0; empty lines are none.
    index: usize,
    /// The number of its line, from 1, in NDJSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 3)]
    line: Option<usize>,
    /// Why.
    reason: RejectionReason,
    /// What is wrong, for developers, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/value must be a number, not a string")]
    detail: Option<String>,
}

/// What became of the events of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Receipt {
    /// Whether they had been stored before: then nothing was stored now, and the counts are 0.
    pub(super) duplicate: bool,
    /// Events stored.
    accepted: u32,
    /// Events not stored.
    rejected: usize,
    /// The first 100 of those.
    rejections: Vec<Rejection>,
}

/// The events of a request as they were given.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// Where each event that was read stood. Nothing: where it stands in the batch.
    places: Option<Vec<(usize, usize)>>,
    /// The first of those that could not be read, by their place.
    broken: BTreeMap<usize, Rejection>,
    broken_count: usize,
}

impl Given {
    /// For events that stand on lines, and may be missing from the batch.
    pub(super) fn by_lines() -> Self {
        Self {
            places: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.places.as_ref().map_or(0, Vec::len) + self.broken_count
    }

    /// The next one is on this line, and in the batch.
    pub(super) fn read(&mut self, line: usize) {
        let index = self.count();
        self.places.get_or_insert_default().push((index, line));
    }

    /// The next one is on this line, and no event.
    pub(super) fn broken(&mut self, line: usize, misread: &Misread) {
        let (reason, fault) = match misread {
            Misread::Json(fault) => (RejectionReason::InvalidJson, fault),
            Misread::Field(fault) => (RejectionReason::InvalidField, fault),
        };
        let index = self.count();
        if self.broken.len() < REJECTIONS_MAX {
            let place = fault.pointer();
            let rejection = Rejection {
                index,
                line: Some(line),
                reason,
                detail: Some(format!("{place} {}", fault.detail).trim_start().to_owned()),
            };
            self.broken.insert(index, rejection);
        }
        self.broken_count += 1;
    }

    /// Where an event of the batch stood.
    fn place(&self, index: usize) -> (usize, Option<usize>) {
        match self.places.as_ref().and_then(|places| places.get(index)) {
            Some((index, line)) => (*index, Some(*line)),
            None => (index, None),
        }
    }
}

impl Receipt {
    /// What the service says of what it was sent, and what is to be said of the rest.
    pub(super) fn new(receipt: pb::BatchReceipt, given: Given) -> Self {
        if receipt.duplicate {
            return Self {
                duplicate: true,
                accepted: 0,
                rejected: 0,
                rejections: Vec::new(),
            };
        }
        let refused = receipt.rejections.iter().map(|rejection| {
            let (index, line) = given.place(usize::try_from(rejection.index).unwrap_or(usize::MAX));
            let refused = Rejection {
                index,
                line,
                reason: rejection.reason().into(),
                detail: None,
            };
            (index, refused)
        });
        let refused: Vec<_> = refused.collect();
        let mut rejections = given.broken;
        rejections.extend(refused);
        Self {
            duplicate: false,
            accepted: receipt.accepted,
            rejected: given.broken_count + usize::try_from(receipt.rejected).unwrap_or(usize::MAX),
            rejections: rejections.into_values().take(REJECTIONS_MAX).collect(),
        }
    }
}
