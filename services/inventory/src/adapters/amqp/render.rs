//! From answers to messages.

use tradepost_messaging::{Message, Outgoing};
use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::inventory::event::v1 as pb;
use tradepost_proto::routing::Event;
use tradepost_types::{OrderId, ReservationId, TenantId};

use crate::domain::{Answer, Rejection};

/// Whom an answer is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) tenant: TenantId,
    pub(crate) reservation: ReservationId,
    pub(crate) order: OrderId,
}

/// The event that tells an answer; without a cause the order's id is the correlation.
pub(crate) fn answer(subject: Subject, answer: &Answer, cause: Option<&Message>) -> Outgoing {
    let reservation_id = subject.reservation.to_string();
    let order_id = subject.order.to_string();
    let outgoing = match answer {
        Answer::Reserved { expire_at } => event(
            subject,
            &pb::StockReserved {
                reservation_id,
                order_id,
                expire_time: Some(timestamp_to_proto(*expire_at)),
            },
        ),
        Answer::Rejected(why) => event(subject, &rejected(reservation_id, order_id, why)),
        Answer::ReleasedBefore => event(
            subject,
            &pb::ReservationRejected {
                reservation_id,
                order_id,
                reason: "RELEASED_BEFORE".to_owned(),
                shortfalls: Vec::new(),
            },
        ),
        Answer::Committed => event(
            subject,
            &pb::ReservationCommitted {
                reservation_id,
                order_id,
            },
        ),
        Answer::CommitRefused(why) => event(
            subject,
            &pb::ReservationCommitRefused {
                reservation_id,
                order_id,
                reason: why.name().to_owned(),
            },
        ),
        Answer::Released => event(
            subject,
            &pb::ReservationReleased {
                reservation_id,
                order_id,
            },
        ),
        Answer::Expired => event(
            subject,
            &pb::ReservationExpired {
                reservation_id,
                order_id,
            },
        ),
    };
    match cause {
        Some(cause) => outgoing.caused_by(cause),
        None => outgoing.correlated(subject.order.as_uuid()),
    }
}

fn event<E: Event + prost::Message>(subject: Subject, body: &E) -> Outgoing {
    let outgoing = if E::REPLY {
        Outgoing::required_event(E::KEY, subject.tenant, body)
    } else {
        Outgoing::event(E::KEY, subject.tenant, body)
    };
    outgoing.about(subject.reservation.to_string(), 0)
}

fn rejected(reservation_id: String, order_id: String, why: &Rejection) -> pb::ReservationRejected {
    let shortfalls = why.shortfalls.iter().map(|short| pb::Shortfall {
        sku: short.sku.to_string(),
        wanted: short.wanted,
        available: short.available,
    });
    pb::ReservationRejected {
        reservation_id,
        order_id,
        reason: why.reason.name().to_owned(),
        shortfalls: shortfalls.collect(),
    }
}
