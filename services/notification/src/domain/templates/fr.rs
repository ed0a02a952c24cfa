//! French.

use super::{Cause, Template, cause};
use crate::domain::Happened;

pub(super) fn to_customer(happened: &Happened) -> Template {
    let told = match happened {
        Happened::Confirmed { .. } => (
            "Votre commande est confirmée",
            "Merci. Nous avons votre commande {order} de {total} et nous la préparons.",
        ),
        Happened::Rejected { reason } => (
            "Nous n'avons pas pu accepter votre commande",
            match cause(reason.as_str()) {
                Cause::Stock => {
                    "Un article de votre commande {order} est épuisé. Vous ne payez rien."
                }
                Cause::Payment => {
                    "Le paiement de votre commande {order} a été refusé. Vous ne payez rien."
                }
                Cause::Delivery => {
                    "Votre commande {order} ne peut pas être livrée au lieu souhaité. Vous ne \
                     payez rien."
                }
                Cause::Other => {
                    "Votre commande {order} n'a pas pu être exécutée. Vous ne payez rien."
                }
            },
        ),
        Happened::Cancelled => (
            "Votre commande est annulée",
            "Votre commande {order} est annulée, comme vous le souhaitiez. Vous ne payez rien.",
        ),
        Happened::Shipped => (
            "Votre commande est en route",
            "Le transporteur a le colis de votre commande {order}.",
        ),
        Happened::Delivered => (
            "Votre commande est arrivée",
            "Le colis de votre commande {order} a été livré.",
        ),
        Happened::Returned { .. } => (
            "Vous êtes remboursé",
            "Le colis de votre commande {order} nous est revenu. {total} vous sont remboursés.",
        ),
        Happened::Refunded { .. } => (
            "Un remboursement vous est fait",
            "Sur votre commande {order}, {total} vous sont remboursés.",
        ),
        Happened::NeedsAttention { .. } => return None,
    };
    Some(told)
}

pub(super) const fn to_staff(happened: &Happened) -> Template {
    let told = match happened {
        Happened::Confirmed { .. } => (
            "Commande confirmée",
            "La commande {order} de {total} est confirmée.",
        ),
        Happened::Rejected { .. } => (
            "Commande refusée",
            "La commande {order} n'a pas pu être exécutée : {reason}. Tout a été annulé.",
        ),
        Happened::Cancelled => (
            "Commande annulée",
            "La commande {order} a été annulée à la demande du client. Tout a été annulé.",
        ),
        Happened::Shipped => (
            "Commande expédiée",
            "Le transporteur a le colis de la commande {order}.",
        ),
        Happened::Delivered => (
            "Commande livrée",
            "Le colis de la commande {order} a été livré.",
        ),
        Happened::Returned { .. } => (
            "Commande retournée",
            "Le colis de la commande {order} est revenu. {total} ont été remboursés.",
        ),
        Happened::Refunded { .. } => (
            "Remboursement effectué",
            "Sur la commande {order}, {total} ont été remboursés.",
        ),
        Happened::NeedsAttention { .. } => (
            "Une commande demande une intervention",
            "La commande {order} est bloquée à l'étape {step} et ne peut pas continuer seule.",
        ),
    };
    Some(told)
}
