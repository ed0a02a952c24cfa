//! The form of an order in `jsonb`: serde lives here, so that the domain needs none.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tradepost_types::Money;

use crate::domain::{
    Address, Asked, Attention, Authorizing, Cancelling, Confirming, Details, Outcome, Parcel,
    PaymentWait, Phase, Saga, Step, StockStep, Undo,
};

/// What an event's `data` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredEvent {
    pub(super) saga: StoredSaga,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) placed: Option<StoredDetails>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredDetails {
    customer_ref: String,
    currency: String,
    total_minor: i64,
    weight_grams: i64,
    line_count: i32,
    unit_count: i64,
    payment_method: String,
    address: StoredAddress,
    traceparent: Option<String>,
    pub(super) saga_version: i32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(remote = "Address")]
struct AddressDef {
    recipient: String,
    lines: Vec<String>,
    city: String,
    region: String,
    postal_code: String,
    country_code: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StoredAddress(#[serde(with = "AddressDef")] pub(super) Address);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredSaga {
    #[serde(with = "PhaseDef")]
    phase: Phase,
    #[serde(with = "AskedDef")]
    asked: Asked,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Asked")]
struct AskedDef {
    reservations: u32,
    payment: bool,
    shipment: bool,
    late_void: bool,
    // Rows that were written before it was asked for have not been told.
    #[serde(default)]
    refund_failed_late: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Phase", tag = "name", rename_all = "snake_case")]
enum PhaseDef {
    Reserving,
    Authorizing(#[serde(with = "AuthorizingDef")] Authorizing),
    Confirming(#[serde(with = "ConfirmingDef")] Confirming),
    Confirmed,
    Capturing {
        #[serde(with = "ParcelDef")]
        parcel: Parcel,
    },
    Shipped,
    Delivered,
    Returning {
        refunded: bool,
        restocked: bool,
    },
    Returned,
    Cancelling(#[serde(with = "CancellingDef")] Cancelling),
    Cancelled,
    Rejected {
        reason: String,
    },
    NeedsAttention(#[serde(with = "AttentionDef")] Attention),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Authorizing")]
struct AuthorizingDef {
    cancel_requested: bool,
    hold_lost: bool,
    #[serde(with = "PaymentWaitDef")]
    wait: PaymentWait,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PaymentWait", rename_all = "snake_case")]
enum PaymentWaitDef {
    Answer,
    Unknown {
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
    },
    Action {
        #[serde(with = "time::serde::rfc3339")]
        since: OffsetDateTime,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Confirming")]
struct ConfirmingDef {
    #[serde(with = "StockStepDef")]
    stock: StockStep,
    #[serde(with = "ParcelDef")]
    parcel: Parcel,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "StockStep", rename_all = "snake_case")]
enum StockStepDef {
    Reserving,
    Committing,
    Committed,
    Lost,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Parcel", rename_all = "snake_case")]
enum ParcelDef {
    Awaited,
    Booked,
    HandedOver,
    Delivered,
    Returned,
    Lost,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Cancelling")]
struct CancellingDef {
    #[serde(with = "OutcomeDef")]
    outcome: Outcome,
    #[serde(with = "UndoDef")]
    undo: Undo,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Outcome", rename_all = "snake_case")]
enum OutcomeDef {
    Cancelled,
    Rejected(String),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Undo", rename_all = "snake_case")]
enum UndoDef {
    Shipment {
        #[serde(with = "StockStepDef")]
        stock: StockStep,
        #[serde(with = "ParcelDef")]
        parcel: Parcel,
    },
    MoneyAndStock {
        payment: bool,
        reservations: Vec<u32>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Attention")]
struct AttentionDef {
    #[serde(with = "StepDef")]
    step: Step,
    reason: String,
    #[serde(with = "boxed_phase")]
    back: Box<Phase>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Step", rename_all = "snake_case")]
enum StepDef {
    AuthorizePayment,
    CommitStock,
    BookShipment,
    AwaitHandOver,
    CapturePayment,
    AwaitDelivery,
    FindParcel,
    RefundPayment,
    VoidShipment,
    VoidPayment,
    ReleaseStock,
    ReconcileStock,
}

mod boxed_phase {
    use serde::{Deserializer, Serializer};

    use super::{Phase, PhaseDef};

    pub(super) fn serialize<S: Serializer>(phase: &Phase, to: S) -> Result<S::Ok, S::Error> {
        PhaseDef::serialize(phase, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<Phase>, D::Error> {
        PhaseDef::deserialize(from).map(Box::new)
    }
}

impl From<Saga> for StoredSaga {
    fn from(saga: Saga) -> Self {
        Self {
            phase: saga.phase,
            asked: saga.asked,
        }
    }
}

impl From<StoredSaga> for Saga {
    fn from(stored: StoredSaga) -> Self {
        Self {
            phase: stored.phase,
            asked: stored.asked,
        }
    }
}

impl StoredDetails {
    pub(super) fn new(details: &Details, saga_version: i32) -> Self {
        Self {
            customer_ref: details.customer_ref.clone(),
            currency: details.total.currency().code().to_owned(),
            total_minor: details.total.minor_units(),
            weight_grams: details.weight_grams,
            line_count: details.line_count,
            unit_count: details.unit_count,
            payment_method: details.payment_method.clone(),
            address: StoredAddress(details.address.clone()),
            traceparent: details.traceparent.clone(),
            saga_version,
        }
    }

    pub(super) fn into_details(self) -> Result<Details, tradepost_types::UnknownCurrency> {
        Ok(Details {
            customer_ref: self.customer_ref,
            total: Money::new(self.total_minor, self.currency.parse()?),
            weight_grams: self.weight_grams,
            line_count: self.line_count,
            unit_count: self.unit_count,
            payment_method: self.payment_method,
            address: self.address.0,
            traceparent: self.traceparent,
        })
    }
}
