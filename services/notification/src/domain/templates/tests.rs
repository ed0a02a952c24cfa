use time::OffsetDateTime;
use tradepost_notifications::content::Content;
use tradepost_types::{Currency, OrderId, RefundId, TenantId};

use super::*;
use crate::domain::Code;

fn all() -> Vec<Happened> {
    let total = Money::new(123_450, Currency::EUR);
    let reasons = [
        "OUT_OF_STOCK",
        "CARD_DECLINED",
        "DESTINATION_NOT_SERVED",
        "ELSE",
    ];
    let rejected = reasons.map(|reason| Happened::Rejected {
        reason: Code::or_other(reason),
    });
    let others = [
        Happened::Confirmed { total },
        Happened::Cancelled,
        Happened::Shipped,
        Happened::Delivered,
        Happened::Returned { total },
        Happened::Refunded {
            refund: RefundId::new(),
            amount: total,
        },
        Happened::NeedsAttention {
            step: Code::or_other("capture_payment"),
            version: 7,
        },
    ];
    rejected.into_iter().chain(others).collect()
}

fn news(happened: Happened) -> OrderNews {
    OrderNews {
        tenant: TenantId::new(),
        order: OrderId::new(),
        customer: "ada@example.com".parse().unwrap(),
        happened,
        at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn told(happened: Happened, audience: Audience, locale: Locale) -> Wording {
    wording(&news(happened), audience, locale).unwrap()
}

#[test]
fn every_text_of_every_language_is_a_content_without_gaps_that_names_the_order_and_no_customer() {
    for news in all().into_iter().map(news) {
        for (audience, locale) in Audience::ALL
            .into_iter()
            .flat_map(|audience| Locale::ALL.map(|locale| (audience, locale)))
        {
            let Some(wording) = wording(&news, audience, locale) else {
                continue;
            };
            let text = wording.message.clone();
            assert!(text.contains(&news.order.to_string()), "{text}");
            assert!(!text.contains(['{', '}', '@']), "{text}");
            assert!(!text.contains("  "), "{text}");
            let kind = news.happened.kind().to_owned();
            Content::new(kind, wording.title.to_owned(), text, "").unwrap();
        }
    }
}

#[test]
fn staff_are_told_of_everything_and_customers_of_all_but_what_is_stuck() {
    for news in all().into_iter().map(news) {
        for locale in Locale::ALL {
            let is_stuck = matches!(news.happened, Happened::NeedsAttention { .. });
            let to_customer = wording(&news, Audience::Customer, locale);
            assert_eq!(to_customer.is_none(), is_stuck);
            assert!(wording(&news, Audience::Staff, locale).is_some());
        }
    }
}

#[test]
fn the_languages_differ_in_every_text() {
    for happened in all() {
        let texts = Locale::ALL.map(|locale| told(happened.clone(), Audience::Staff, locale));
        assert_ne!(texts[0].title, texts[1].title);
        assert_ne!(texts[0].title, texts[2].title);
        assert_ne!(texts[1].title, texts[2].title);
    }
}

#[test]
fn amounts_are_written_as_the_language_writes_them() {
    let total = Money::new(123_450, Currency::EUR);
    let confirmed = Happened::Confirmed { total };
    for (locale, wanted) in [
        (Locale::En, "over EUR\u{a0}1,234.50 and"),
        (Locale::De, "über 1.234,50\u{a0}EUR und"),
        (Locale::Fr, "de 1\u{a0}234,50\u{a0}EUR et"),
    ] {
        let text = told(confirmed.clone(), Audience::Customer, locale).message;
        assert!(text.contains(wanted), "{text}");
    }
}

#[test]
fn a_customer_is_told_why_in_words_and_staff_by_the_code() {
    let rejected = |reason| Happened::Rejected {
        reason: Code::or_other(reason),
    };
    for (reason, wanted) in [
        ("OUT_OF_STOCK", "sold out"),
        ("INSUFFICIENT_FUNDS", "payment"),
        ("CARD_DECLINED", "payment"),
        ("PAYMENT_ACTION_EXPIRED", "payment"),
        ("DESTINATION_NOT_SERVED", "delivered"),
        ("SOMETHING_NEW", "could not be fulfilled"),
        ("Visa 4242 4242 4242 4242", "could not be fulfilled"),
    ] {
        let customer = told(rejected(reason), Audience::Customer, Locale::En).message;
        assert!(customer.contains(wanted), "{customer}");
        assert!(!customer.contains(reason), "{customer}");
    }
    let staff = |reason| told(rejected(reason), Audience::Staff, Locale::En).message;
    assert!(staff("SOMETHING_NEW").contains("SOMETHING_NEW"));
    assert!(staff("Visa 4242 4242 4242 4242").contains("OTHER"));
}
