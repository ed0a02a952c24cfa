//! Typed ids: a `UUIDv7` in tables and memory, a `TypeID` (`order_01h455vb4pex5vsknk084sn02q`)
//! outside. The rule comes from the `TypeID` specification 0.3.
//!
//! Ids of things that one order owns (its reservation, payment, shipment) are *derived* from the
//! order's id, so that a retried step names the same thing and the saga stays a pure function.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Crockford's base32, lower case, as the `TypeID` specification fixes it.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits at five bits a character, the first holding three.
const SUFFIX_LEN: usize = 26;

/// Why a text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The prefix before the last `_` is another one, or there is none.
    #[error("expected an id that starts with \"{expected}_\"")]
    Prefix {
        /// The prefix that was wanted.
        expected: &'static str,
    },
    /// The part after the prefix is not 26 characters of Crockford's base32 below 2^128.
    #[error("the part after \"{expected}_\" must be 26 characters of lower-case base32")]
    Suffix {
        /// The prefix of the id that was being parsed.
        expected: &'static str,
    },
}

fn encode(uuid: Uuid) -> String {
    let bits = uuid.as_u128();
    (0..SUFFIX_LEN)
        .map(|position| {
            let shift = 5 * (SUFFIX_LEN - 1 - position);
            let index = usize::from(((bits >> shift) & 0x1f) as u8);
            char::from(*ALPHABET.get(index).unwrap_or(&b'0'))
        })
        .collect()
}

fn decode(suffix: &str) -> Option<Uuid> {
    if suffix.len() != SUFFIX_LEN || !suffix.starts_with(|first| ('0'..='7').contains(&first)) {
        return None;
    }
    let mut bits: u128 = 0;
    for byte in suffix.bytes() {
        let value = ALPHABET.iter().position(|&letter| letter == byte)?;
        bits = (bits << 5) | u128::try_from(value).ok()?;
    }
    Some(Uuid::from_u128(bits))
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// What the text form starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new, time-ordered id (`UUIDv7`).
            #[must_use]
            #[expect(clippy::new_without_default, reason = "a default id would not be a value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that belongs to `parent` under `label`: always the same for the same two
            /// (`UUIDv5`), so that a repeated step names the same thing.
            #[must_use]
            pub fn derive(parent: Uuid, label: &str) -> Self {
                Self(Uuid::new_v5(&parent, label.as_bytes()))
            }

            /// Wraps the form that tables hold.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The form that tables hold.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let suffix = text
                    .strip_prefix($prefix)
                    .and_then(|rest| rest.strip_prefix('_'))
                    .ok_or(IdError::Prefix { expected: $prefix })?;
                decode(suffix).map(Self).ok_or(IdError::Suffix { expected: $prefix })
            }
        }
    };
}

typed_id!(
    /// A tenant: a shop, or a group of shops, that sees only its own rows.
    TenantId, "tenant"
);
typed_id!(
    /// An order.
    OrderId, "order"
);
typed_id!(
    /// The customer an order belongs to.
    CustomerId, "customer"
);
typed_id!(
    /// A hold on stock for the lines of one order.
    ReservationId, "reservation"
);
typed_id!(
    /// One attempt to take the money of one order.
    PaymentId, "payment"
);
typed_id!(
    /// Money given back from one payment.
    RefundId, "refund"
);
typed_id!(
    /// A customer's objection at the bank to one payment; derived from the payment and the
    /// provider's name of it.
    DisputeId, "dispute"
);
typed_id!(
    /// The parcel of one order.
    ShipmentId, "shipment"
);
typed_id!(
    /// One change of the stock of one item.
    MovementId, "movement"
);
typed_id!(
    /// A message between services; the key by which consumers recognise a duplicate.
    MessageId, "message"
);
typed_id!(
    /// What one or many people were told.
    NotificationId, "ntf"
);
typed_id!(
    /// Where a tenant wants to be told what its people are told: an address of an outgoing webhook.
    WebhookEndpointId, "whe"
);
typed_id!(
    /// What is or was to be sent to one such address.
    WebhookDeliveryId, "whd"
);
typed_id!(
    /// What is or was to be sent to one user by e-mail.
    EmailId, "eml"
);
typed_id!(
    /// A person who logs in, in whatever tenants.
    UserId, "user"
);
typed_id!(
    /// One login of a user on one device, until it is revoked or runs out.
    SessionId, "session"
);
typed_id!(
    /// An API key of a tenant.
    ApiKeyId, "key"
);
typed_id!(
    /// An OAuth client: a service account, or an application that acts for users.
    ClientId, "client"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_form_is_the_one_of_the_typeid_specification() {
        let uuid = Uuid::from_u128(0x0188_bac7_4afa_78aa_bc3b_bd1e_ef28_d881);

        let text = OrderId::from_uuid(uuid).to_string();

        assert_eq!(text, "order_01h2xcejqtf2nbrexx3vqjhp41");
    }

    #[test]
    fn another_kind_of_id_is_refused() {
        let payment = PaymentId::new().to_string();

        assert_eq!(
            payment.parse::<OrderId>(),
            Err(IdError::Prefix { expected: "order" })
        );
    }

    #[test]
    fn a_suffix_beyond_128_bits_is_refused() {
        let text = "order_81h2xcejqtf2nbrexx3vqjhp41";

        assert_eq!(
            text.parse::<OrderId>(),
            Err(IdError::Suffix { expected: "order" })
        );
    }

    #[test]
    fn upper_case_and_letters_outside_the_alphabet_are_refused() {
        for text in [
            "order_01H2XCEJQTF2NBREXX3VQJHP41",
            "order_01h2xcejqtf2nbrexx3vqjhp4u",
            "order_",
        ] {
            assert_eq!(
                text.parse::<OrderId>(),
                Err(IdError::Suffix { expected: "order" }),
                "{text}"
            );
        }
    }

    #[test]
    fn a_derived_id_is_the_same_each_time_and_differs_by_label() {
        let order = OrderId::new();

        let first = ReservationId::derive(order.as_uuid(), "reservation/1");

        assert_eq!(
            first,
            ReservationId::derive(order.as_uuid(), "reservation/1")
        );
        assert_ne!(
            first,
            ReservationId::derive(order.as_uuid(), "reservation/2")
        );
    }

    proptest! {
        #[test]
        fn every_id_survives_the_way_out_and_back(bits: u128) {
            let id = OrderId::from_uuid(Uuid::from_u128(bits));

            prop_assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
        }

        #[test]
        fn no_text_makes_the_parser_fail_otherwise_than_with_an_error(text in ".{0,64}") {
            if let Ok(id) = text.parse::<OrderId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
