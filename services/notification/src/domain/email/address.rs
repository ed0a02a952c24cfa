//! The address of a mailbox.

use std::fmt;

/// The longest address, by RFC 5321.
const ADDRESS_BYTES_MAX: usize = 254;
/// The longest part before the "@".
const LOCAL_BYTES_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 63;

/// Why a text is no address. It does not repeat the text: that is somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is too long.
    #[error(
        "has at most {ADDRESS_BYTES_MAX} characters, {LOCAL_BYTES_MAX} of them before the \"@\""
    )]
    Long,
    /// It is not of the form.
    #[error("must be name@domain in ASCII, without quotes, spaces and control characters")]
    Malformed,
}

/// Where somebody reads e-mail: `name@domain` in ASCII. It is never shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address that this is.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(AddressError::Long);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::Malformed)?;
        if local.len() > LOCAL_BYTES_MAX {
            return Err(AddressError::Long);
        }
        let is_local = local.split('.').all(is_atom);
        let is_domain = domain.contains('.') && domain.split('.').all(is_label);
        if is_local && is_domain {
            Ok(Self(text.to_owned()))
        } else {
            Err(AddressError::Malformed)
        }
    }

    /// As it is written. Only for who stores, answers or sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is before the "@", and what is behind it.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or_default()
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(***)")
    }
}

/// What RFC 5322 calls so.
fn is_atom(text: &str) -> bool {
    let is_atext =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_atext)
}

fn is_label(text: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_they_are() {
        for good in [
            "ann@shop.example",
            "Ann.O'Hara+news@mail.shop.example",
            "a@b.c",
            "1=2@xn--bcher-kva.example",
        ] {
            assert_eq!(EmailAddress::parse(good).unwrap().expose(), good);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "",
            "ann",
            "@shop.example",
            "ann@",
            "ann@shop",
            "ann@.example",
            "ann@shop..example",
            "ann@-shop.example",
            ".ann@shop.example",
            "an..n@shop.example",
            "an n@shop.example",
            "\"ann\"@shop.example",
            "<ann@shop.example>",
            "ann@shop.example\r\nRCPT TO:<eve@shop.example>",
            "ann@shop.example\n",
            "\u{e4}nn@shop.example",
            "ann@[127.0.0.1]",
            "ann@eve@shop.example",
        ] {
            assert_eq!(
                EmailAddress::parse(bad),
                Err(AddressError::Malformed),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn lengths_are_bounded_to_the_byte() {
        let domain = |bytes: usize| format!("{}.example", "a.".repeat((bytes - 8) / 2) + "b");
        let local = |bytes: usize| "x".repeat(bytes);

        assert!(EmailAddress::parse(&format!("{}@shop.example", local(64))).is_ok());
        assert_eq!(
            EmailAddress::parse(&format!("{}@shop.example", local(65))),
            Err(AddressError::Long)
        );
        let longest = format!("{}@{}", local(64), domain(189));
        assert_eq!(longest.len(), 254);
        assert!(EmailAddress::parse(&longest).is_ok());
        let longer = format!("{}@{}b", local(64), domain(189));
        assert_eq!(EmailAddress::parse(&longer), Err(AddressError::Long));
        let label = "l".repeat(64);
        assert!(EmailAddress::parse(&format!("a@{label}.example")).is_err());
    }

    #[test]
    fn an_address_is_not_shown_by_accident() {
        let address = EmailAddress::parse("ann@shop.example").unwrap();

        assert_eq!(format!("{address:?}"), "EmailAddress(***)");
    }
}
