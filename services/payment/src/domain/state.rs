//! Where a payment stands, and which call to the provider is due there.

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The provider is being asked to hold the money.
    Authorizing,
    /// The customer has to act.
    RequiresAction,
    /// The money is held on the card.
    Authorized,
    /// The provider said no.
    Declined,
    /// The provider may or may not hold the money.
    Unknown,
    /// The provider is being asked to take the money.
    Capturing,
    /// A part was taken and the rest let go.
    PartiallyCaptured,
    /// All of it was taken.
    Captured,
    /// The provider may or may not have taken the money.
    CaptureUnknown,
    /// The provider is being asked to let the money go.
    Voiding,
    /// Nothing is held or taken, and nothing ever will be.
    Voided,
    /// The hold ran out before the money was taken.
    AuthorizationExpired,
    /// The provider's amount or currency differs from ours: a person has to look.
    Conflicted,
}

/// A call to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Create the intent and hold the money; safe to repeat under the same key.
    Authorize,
    /// Take the held money; safe to repeat under the same key.
    Capture,
    /// Let the held money go; safe to repeat.
    Cancel,
    /// Ask by our own reference what became of it.
    Ask,
}

impl State {
    /// Every state, for tables.
    pub const ALL: [Self; 13] = [
        Self::Authorizing,
        Self::RequiresAction,
        Self::Authorized,
        Self::Declined,
        Self::Unknown,
        Self::Capturing,
        Self::PartiallyCaptured,
        Self::Captured,
        Self::CaptureUnknown,
        Self::Voiding,
        Self::Voided,
        Self::AuthorizationExpired,
        Self::Conflicted,
    ];

    /// The call that is due in this state; the state alone decides, so a crash forgets nothing.
    #[must_use]
    pub const fn due_call(self) -> Option<Call> {
        match self {
            Self::Authorizing => Some(Call::Authorize),
            Self::Capturing => Some(Call::Capture),
            Self::Voiding => Some(Call::Cancel),
            Self::Unknown | Self::CaptureUnknown => Some(Call::Ask),
            Self::RequiresAction
            | Self::Authorized
            | Self::Declined
            | Self::PartiallyCaptured
            | Self::Captured
            | Self::Voided
            | Self::AuthorizationExpired
            | Self::Conflicted => None,
        }
    }

    /// Whether the ledger carries a hold for the payment in this state.
    #[must_use]
    pub const fn holds(self) -> bool {
        match self {
            Self::Authorizing
            | Self::RequiresAction
            | Self::Authorized
            | Self::Unknown
            | Self::Capturing
            | Self::CaptureUnknown
            | Self::Voiding
            | Self::Conflicted => true,
            Self::Declined
            | Self::PartiallyCaptured
            | Self::Captured
            | Self::Voided
            | Self::AuthorizationExpired => false,
        }
    }

    /// The name that tables hold.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorizing => "authorizing",
            Self::RequiresAction => "requires_action",
            Self::Authorized => "authorized",
            Self::Declined => "declined",
            Self::Unknown => "unknown",
            Self::Capturing => "capturing",
            Self::PartiallyCaptured => "partially_captured",
            Self::Captured => "captured",
            Self::CaptureUnknown => "capture_unknown",
            Self::Voiding => "voiding",
            Self::Voided => "voided",
            Self::AuthorizationExpired => "authorization_expired",
            Self::Conflicted => "conflicted",
        }
    }

    /// The state of that name, if there is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_found_by_its_name() {
        for state in State::ALL {
            assert_eq!(State::parse(state.name()), Some(state));
        }
        assert_eq!(State::parse("paid"), None);
    }
}
