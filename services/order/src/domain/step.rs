//! The steps that can be stuck, and what a person may do about them.

use super::phase::{Cancelling, Parcel, Phase, StockStep, Undo};

/// A step that can be stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The provider's amount differs from ours.
    AuthorizePayment,
    /// The stock is not committed for a long time.
    CommitStock,
    /// The parcel is not booked for a long time.
    BookShipment,
    /// The carrier does not fetch the parcel.
    AwaitHandOver,
    /// The money of goods under way cannot be taken.
    CapturePayment,
    /// The parcel neither arrives nor comes back.
    AwaitDelivery,
    /// The carrier lost the parcel.
    FindParcel,
    /// The money of returned goods cannot be given back.
    RefundPayment,
    /// The parcel cannot be called off.
    VoidShipment,
    /// The money cannot be let go.
    VoidPayment,
    /// The stock cannot be given back.
    ReleaseStock,
    /// Goods left the house that the stock does not account for.
    ReconcileStock,
}

impl Step {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::AuthorizePayment,
        Self::CommitStock,
        Self::BookShipment,
        Self::AwaitHandOver,
        Self::CapturePayment,
        Self::AwaitDelivery,
        Self::FindParcel,
        Self::RefundPayment,
        Self::VoidShipment,
        Self::VoidPayment,
        Self::ReleaseStock,
        Self::ReconcileStock,
    ];

    /// The stable text of tables and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizePayment => "authorize_payment",
            Self::CommitStock => "commit_stock",
            Self::BookShipment => "book_shipment",
            Self::AwaitHandOver => "await_hand_over",
            Self::CapturePayment => "capture_payment",
            Self::AwaitDelivery => "await_delivery",
            Self::FindParcel => "find_parcel",
            Self::RefundPayment => "refund_payment",
            Self::VoidShipment => "void_shipment",
            Self::VoidPayment => "void_payment",
            Self::ReleaseStock => "release_stock",
            Self::ReconcileStock => "reconcile_stock",
        }
    }

    /// Whether a person can have done it by hand. The others have an answer that later steps build
    /// on, so they can only be retried or abandoned.
    #[must_use]
    pub const fn is_skippable(self) -> bool {
        match self {
            Self::CapturePayment
            | Self::AwaitDelivery
            | Self::FindParcel
            | Self::RefundPayment
            | Self::VoidShipment
            | Self::VoidPayment
            | Self::ReleaseStock
            | Self::ReconcileStock => true,
            Self::AuthorizePayment
            | Self::CommitStock
            | Self::BookShipment
            | Self::AwaitHandOver => false,
        }
    }

    /// Whether `phase` still waits for this step.
    #[must_use]
    pub fn is_pending_in(self, phase: &Phase) -> bool {
        match self {
            Self::AuthorizePayment => matches!(phase, Phase::Authorizing(_)),
            Self::CommitStock => {
                matches!(phase, Phase::Confirming(now) if now.stock != StockStep::Committed)
            }
            Self::BookShipment => {
                matches!(phase, Phase::Confirming(now) if now.parcel == Parcel::Awaited)
            }
            Self::ReconcileStock => {
                matches!(phase, Phase::Confirming(now) if now.stock == StockStep::Lost)
            }
            Self::AwaitHandOver => matches!(phase, Phase::Confirmed),
            Self::CapturePayment => matches!(phase, Phase::Capturing { .. }),
            Self::AwaitDelivery | Self::FindParcel => matches!(phase, Phase::Shipped),
            Self::RefundPayment => matches!(
                phase,
                Phase::Returning {
                    refunded: false,
                    ..
                }
            ),
            Self::VoidShipment => matches!(
                phase,
                Phase::Cancelling(Cancelling {
                    undo: Undo::Shipment { .. },
                    ..
                })
            ),
            Self::VoidPayment => matches!(
                phase,
                Phase::Cancelling(Cancelling {
                    undo: Undo::MoneyAndStock { payment: true, .. },
                    ..
                })
            ),
            Self::ReleaseStock => match phase {
                Phase::Cancelling(Cancelling {
                    undo: Undo::MoneyAndStock { reservations, .. },
                    ..
                }) => !reservations.is_empty(),
                Phase::Returning { restocked, .. } => !restocked,
                Phase::Reserving
                | Phase::Authorizing(_)
                | Phase::Confirming(_)
                | Phase::Confirmed
                | Phase::Capturing { .. }
                | Phase::Shipped
                | Phase::Delivered
                | Phase::Returned
                | Phase::Cancelling(_)
                | Phase::Cancelled
                | Phase::Rejected { .. }
                | Phase::NeedsAttention(_) => false,
            },
        }
    }
}
