//! What is sent: plain text, and the same bytes in each attempt.

use std::error::Error;
use std::time::SystemTime;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::{Address, Message};

use super::address;
use crate::ports::email::Letter;

/// From whom mails are.
pub(super) struct Sender {
    pub(super) address: Address,
    pub(super) name: String,
    pub(super) unsubscribe_url: Option<String>,
}

/// Nobody wrote it, so nobody's absence is to be answered (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_text: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Where people say that they want no more (RFC 2369).
#[derive(Clone)]
struct ListUnsubscribe(String);

impl Header for ListUnsubscribe {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("List-Unsubscribe")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self(text.to_owned()))
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), format!("<{}>", self.0))
    }
}

impl Sender {
    /// The mail, as it goes over the line. Its data stays with us: only the title and the text go.
    pub(super) fn compose(&self, letter: Letter<'_>) -> Result<Vec<u8>, lettre::error::Error> {
        let name = (!self.name.is_empty()).then(|| one_line(&self.name));
        let id = format!("<{}@{}>", letter.id, self.address.domain());
        let mut mail = Message::builder()
            .from(Mailbox::new(name, self.address.clone()))
            .to(Mailbox::new(None, address(letter.to)))
            .subject(one_line(letter.title))
            .date(SystemTime::from(letter.told_at))
            .message_id(Some(id))
            .header(AutoSubmitted);
        if let Some(url) = &self.unsubscribe_url {
            mail = mail.header(ListUnsubscribe(one_line(url)));
        }
        let text = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .body(letter.message.to_owned());
        Ok(mail.singlepart(text)?.formatted())
    }
}

/// A header is one line, whatever a title holds.
fn one_line(text: &str) -> String {
    let visible = |char: char| if char.is_control() { ' ' } else { char };
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use tradepost_types::EmailId;
    use uuid::Uuid;

    use super::*;
    use crate::domain::email::EmailAddress;

    fn sender() -> Sender {
        Sender {
            address: Address::new("shop", "shop.example").unwrap(),
            name: "The Shop".to_owned(),
            unsubscribe_url: None,
        }
    }

    fn composed(sender: &Sender, title: &str, message: &str) -> String {
        let to = EmailAddress::parse("ann@home.example").unwrap();
        let letter = Letter {
            id: EmailId::from_uuid(Uuid::nil()),
            to: &to,
            title,
            message,
            told_at: datetime!(2026-11-22 04:30:00 UTC),
        };
        String::from_utf8(sender.compose(letter).unwrap()).unwrap()
    }

    fn headers(mail: &str) -> Vec<&str> {
        mail.split_once("\r\n\r\n").unwrap().0.lines().collect()
    }

    #[test]
    fn a_mail_has_what_it_needs_and_nothing_else() {
        let mail = composed(&sender(), "Thank you", "Your order\nis confirmed.");

        assert_eq!(
            headers(&mail),
            [
                "From: \"The Shop\" <shop@shop.example>",
                "To: ann@home.example",
                "Subject: Thank you",
                "Date: Sun, 22 Nov 2026 04:30:00 +0000",
                "Message-ID: <eml_00000000000000000000000000@shop.example>",
                "Auto-Submitted: auto-generated",
                "MIME-Version: 1.0",
                "Content-Type: text/plain; charset=utf-8",
                "Content-Transfer-Encoding: 7bit",
            ]
        );
        assert!(
            mail.ends_with("\r\n\r\nYour order\r\nis confirmed.\r\n"),
            "{mail}"
        );
        assert_eq!(
            mail,
            composed(&sender(), "Thank you", "Your order\nis confirmed.")
        );
    }

    #[test]
    fn a_title_stays_one_header_whatever_it_holds() {
        for title in [
            "Hello\r\nBcc: eve@evil.example",
            "Hello\nBcc: eve@evil.example",
            "Hello\rBcc: eve@evil.example",
            "Hello\u{0}\u{85}Bcc: eve@evil.example",
            "H\u{e4}llo\r\nBcc: eve@evil.example\r\n\r\nbody",
        ] {
            let mail = composed(&sender(), title, "Text");

            assert!(
                !headers(&mail).iter().any(|line| line.starts_with("Bcc")),
                "{mail}"
            );
            assert!(mail.ends_with("\r\n\r\nText\r\n"), "{mail}");
        }
    }

    #[test]
    fn what_is_not_ascii_goes_over_the_line_as_ascii() {
        let long = "\u{1f600} ".repeat(60);
        let mail = composed(&sender(), &long, &"\u{fc}ber ".repeat(400));

        assert!(mail.is_ascii());
        assert!(mail.contains("Subject: =?utf-8?b?"), "{mail}");
        assert!(mail.lines().all(|line| line.len() <= 998));
    }

    #[test]
    fn where_people_say_no_is_told_if_there_is_such_a_place() {
        let mut sender = sender();
        sender.unsubscribe_url = Some("https://shop.example/no".to_owned());

        let mail = composed(&sender, "Title", "Text");

        assert!(
            headers(&mail).contains(&"List-Unsubscribe: <https://shop.example/no>"),
            "{mail}"
        );
    }
}
