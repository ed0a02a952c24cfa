//! German.

use super::{Cause, Template, cause};
use crate::domain::Happened;

pub(super) fn to_customer(happened: &Happened) -> Template {
    let told = match happened {
        Happened::Confirmed { .. } => (
            "Ihre Bestellung ist bestätigt",
            "Vielen Dank. Wir haben Ihre Bestellung {order} über {total} und machen sie fertig.",
        ),
        Happened::Rejected { reason } => (
            "Wir konnten Ihre Bestellung nicht annehmen",
            match cause(reason.as_str()) {
                Cause::Stock => {
                    "Etwas aus Ihrer Bestellung {order} ist ausverkauft. Sie zahlen nichts."
                }
                Cause::Payment => {
                    "Die Zahlung Ihrer Bestellung {order} wurde abgelehnt. Sie zahlen nichts."
                }
                Cause::Delivery => {
                    "Ihre Bestellung {order} kann nicht an den gewünschten Ort geliefert werden. \
                     Sie zahlen nichts."
                }
                Cause::Other => {
                    "Ihre Bestellung {order} konnte nicht ausgeführt werden. Sie zahlen nichts."
                }
            },
        ),
        Happened::Cancelled => (
            "Ihre Bestellung ist storniert",
            "Ihre Bestellung {order} ist wie gewünscht storniert. Sie zahlen nichts.",
        ),
        Happened::Shipped => (
            "Ihre Bestellung ist unterwegs",
            "Der Paketdienst hat das Paket mit Ihrer Bestellung {order}.",
        ),
        Happened::Delivered => (
            "Ihre Bestellung ist angekommen",
            "Das Paket mit Ihrer Bestellung {order} wurde zugestellt.",
        ),
        Happened::Returned { .. } => (
            "Sie bekommen Ihr Geld zurück",
            "Das Paket mit Ihrer Bestellung {order} kam zu uns zurück. {total} werden erstattet.",
        ),
        Happened::Refunded { .. } => (
            "Sie bekommen Geld zurück",
            "Von Ihrer Bestellung {order} werden {total} erstattet.",
        ),
        Happened::NeedsAttention { .. } => return None,
    };
    Some(told)
}

pub(super) const fn to_staff(happened: &Happened) -> Template {
    let told = match happened {
        Happened::Confirmed { .. } => (
            "Bestellung bestätigt",
            "Bestellung {order} über {total} ist bestätigt.",
        ),
        Happened::Rejected { .. } => (
            "Bestellung abgelehnt",
            "Bestellung {order} konnte nicht ausgeführt werden: {reason}. Alles wurde rückgängig \
             gemacht.",
        ),
        Happened::Cancelled => (
            "Bestellung storniert",
            "Bestellung {order} wurde auf Wunsch des Kunden storniert. Alles wurde rückgängig \
             gemacht.",
        ),
        Happened::Shipped => (
            "Bestellung versandt",
            "Der Paketdienst hat das Paket der Bestellung {order}.",
        ),
        Happened::Delivered => (
            "Bestellung zugestellt",
            "Das Paket der Bestellung {order} wurde zugestellt.",
        ),
        Happened::Returned { .. } => (
            "Bestellung zurückgekommen",
            "Das Paket der Bestellung {order} kam zurück. {total} wurden erstattet.",
        ),
        Happened::Refunded { .. } => (
            "Geld erstattet",
            "Von der Bestellung {order} wurden {total} erstattet.",
        ),
        Happened::NeedsAttention { .. } => (
            "Eine Bestellung braucht Hilfe",
            "Bestellung {order} steckt im Schritt {step} fest und kommt von selbst nicht weiter.",
        ),
    };
    Some(told)
}
