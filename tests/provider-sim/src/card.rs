//! What each payment-method token does. Tokens that hold `sim` are ours, all others are Stripe's.

/// How a card behaves from authorisation to refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Card {
    /// Everything works at once.
    Approves,
    /// The authorisation is declined.
    Declines(&'static Decline),
    /// The customer must authenticate before the authorisation.
    NeedsAction,
    /// Authorises; the authorisation turns out to be expired when it is captured.
    CaptureExpires,
    /// Authorises; a capture is `processing` first and succeeds later.
    CaptureIsSlow,
    /// A refund succeeds at once and fails later.
    RefundFails,
    /// A refund is `pending` first and succeeds later.
    RefundIsSlow,
    /// Works, but its owner disputes the charge as soon as it is captured.
    IsDisputed,
    /// Authorises one minor unit more than it was asked for.
    AnswersOtherAmount,
}

/// The words of a decline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decline {
    pub(crate) code: &'static str,
    pub(crate) decline_code: Option<&'static str>,
    pub(crate) message: &'static str,
}

static GENERIC: Decline = Decline {
    code: "card_declined",
    decline_code: Some("generic_decline"),
    message: "Your card was declined.",
};
static INSUFFICIENT_FUNDS: Decline = Decline {
    code: "card_declined",
    decline_code: Some("insufficient_funds"),
    message: "Your card has insufficient funds.",
};
static EXPIRED_CARD: Decline = Decline {
    code: "expired_card",
    decline_code: None,
    message: "Your card has expired.",
};
static PROCESSING_ERROR: Decline = Decline {
    code: "processing_error",
    decline_code: None,
    message: "An error occurred while processing your card. Try again in a little bit.",
};
/// An off-session payment whose card wants the customer there.
pub(crate) static AUTHENTICATION_REQUIRED: Decline = Decline {
    code: "authentication_required",
    decline_code: Some("authentication_required"),
    message: "Your card was declined. This transaction requires authentication.",
};

impl Card {
    /// The card behind a token, `None` when the provider does not know it.
    pub(crate) fn find(token: &str) -> Option<Self> {
        Some(match token {
            "pm_card_visa" | "pm_card_mastercard" | "pm_card_amex" => Self::Approves,
            "pm_card_chargeDeclined" | "pm_card_visa_chargeDeclined" => Self::Declines(&GENERIC),
            "pm_card_chargeDeclinedInsufficientFunds"
            | "pm_card_visa_chargeDeclinedInsufficientFunds" => Self::Declines(&INSUFFICIENT_FUNDS),
            "pm_card_chargeDeclinedExpiredCard" => Self::Declines(&EXPIRED_CARD),
            "pm_card_chargeDeclinedProcessingError" => Self::Declines(&PROCESSING_ERROR),
            "pm_card_authenticationRequired" => Self::NeedsAction,
            "pm_card_refundFail" => Self::RefundFails,
            "pm_card_pendingRefund" => Self::RefundIsSlow,
            "pm_card_createDispute" => Self::IsDisputed,
            "pm_card_sim_authorizationExpired" => Self::CaptureExpires,
            "pm_card_sim_captureProcessing" => Self::CaptureIsSlow,
            "pm_card_sim_otherAmount" => Self::AnswersOtherAmount,
            _ => return None,
        })
    }
}
