//! Where a parcel stands, and where it may go from there.

/// Where a parcel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It was asked for; the carrier has not answered yet.
    Planned,
    /// The carrier gave a label and a tracking number.
    LabelReady,
    /// The carrier has the parcel.
    HandedOver,
    /// It is on its way.
    InTransit,
    /// It is on the last van.
    OutForDelivery,
    /// It arrived. Final.
    Delivered,
    /// Something went wrong; the carrier tries again, gives it back or lost it.
    Exception,
    /// It came back. Final.
    ReturnedToSender,
    /// The carrier lost it. Final.
    Lost,
    /// Called off before hand-over, or never booked. Final.
    Voided,
}

impl State {
    /// Every state, for tables.
    pub const ALL: [Self; 10] = [
        Self::Planned,
        Self::LabelReady,
        Self::HandedOver,
        Self::InTransit,
        Self::OutForDelivery,
        Self::Delivered,
        Self::Exception,
        Self::ReturnedToSender,
        Self::Lost,
        Self::Voided,
    ];

    /// Whether news of `next` can follow. A scan may be missed, so steps forward may be left out;
    /// nothing goes back but a new attempt after an exception.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::LabelReady, Self::HandedOver | Self::InTransit)
            | (
                Self::HandedOver | Self::InTransit | Self::OutForDelivery | Self::Exception,
                Self::Delivered | Self::ReturnedToSender | Self::Lost,
            )
            | (Self::HandedOver | Self::Exception, Self::InTransit | Self::OutForDelivery)
            | (Self::InTransit, Self::OutForDelivery | Self::Exception)
            | (Self::HandedOver | Self::OutForDelivery, Self::Exception) => true,
            // Without a label there is nothing to report; the label itself is no report.
            (Self::Planned, _)
            | (_, Self::Planned)
            | (
                Self::LabelReady,
                Self::LabelReady
                | Self::OutForDelivery
                | Self::Delivered
                | Self::Exception
                | Self::ReturnedToSender
                | Self::Lost
                | Self::Voided,
            )
            | (
                Self::HandedOver | Self::InTransit | Self::OutForDelivery | Self::Exception,
                Self::LabelReady | Self::HandedOver | Self::Voided,
            )
            | (Self::InTransit, Self::InTransit)
            | (Self::OutForDelivery, Self::InTransit | Self::OutForDelivery)
            | (Self::Exception, Self::Exception)
            | (Self::Delivered | Self::ReturnedToSender | Self::Lost | Self::Voided, _) => false,
        }
    }

    /// Whether the carrier has, or had, the parcel.
    #[must_use]
    pub const fn is_handed_over(self) -> bool {
        !matches!(self, Self::Planned | Self::LabelReady | Self::Voided)
    }

    /// The name that tables hold.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::LabelReady => "label_ready",
            Self::HandedOver => "handed_over",
            Self::InTransit => "in_transit",
            Self::OutForDelivery => "out_for_delivery",
            Self::Delivered => "delivered",
            Self::Exception => "exception",
            Self::ReturnedToSender => "returned_to_sender",
            Self::Lost => "lost",
            Self::Voided => "voided",
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
    fn every_pair_of_states_is_as_the_table_says() {
        use State as S;
        let legal: [(S, &[S]); 10] = [
            (S::Planned, &[]),
            (S::LabelReady, &[S::HandedOver, S::InTransit]),
            (
                S::HandedOver,
                &[
                    S::InTransit,
                    S::OutForDelivery,
                    S::Delivered,
                    S::Exception,
                    S::ReturnedToSender,
                    S::Lost,
                ],
            ),
            (
                S::InTransit,
                &[
                    S::OutForDelivery,
                    S::Delivered,
                    S::Exception,
                    S::ReturnedToSender,
                    S::Lost,
                ],
            ),
            (
                S::OutForDelivery,
                &[S::Delivered, S::Exception, S::ReturnedToSender, S::Lost],
            ),
            (
                S::Exception,
                &[
                    S::InTransit,
                    S::OutForDelivery,
                    S::Delivered,
                    S::ReturnedToSender,
                    S::Lost,
                ],
            ),
            (S::Delivered, &[]),
            (S::ReturnedToSender, &[]),
            (S::Lost, &[]),
            (S::Voided, &[]),
        ];
        for (from, targets) in legal {
            for to in S::ALL {
                assert_eq!(
                    from.may_become(to),
                    targets.contains(&to),
                    "{from:?} -> {to:?}"
                );
            }
        }
    }

    #[test]
    fn every_state_is_found_by_its_name() {
        for state in State::ALL {
            assert_eq!(State::parse(state.name()), Some(state));
        }
    }
}
