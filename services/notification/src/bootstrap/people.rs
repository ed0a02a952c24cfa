//! What people want, and whether they are there: calls beside those that tell them something.

use std::sync::Arc;

use tradepost_proto::notification::v1::preference_service_server::PreferenceServiceServer;
use tradepost_proto::notification::v1::presence_service_server::PresenceServiceServer;
use tradepost_service::GrpcServer;

use crate::adapters::grpc::preferences::{PREFERENCE_RULES, PreferenceApi};
use crate::adapters::grpc::presence::{PRESENCE_RULES, PresenceApi};
use crate::adapters::postgres::PgNotifications;
use crate::application::{KeepPreferences, KnowPresence};
use crate::ports::{Announcer, OtherNodes, People};

/// Preferences, which are announced when they are committed.
#[must_use]
pub fn preferences(store: &Arc<PgNotifications>, announcer: &Announcer) -> PreferenceApi {
    PreferenceApi::new(KeepPreferences::new(
        Arc::clone(store) as _,
        Arc::clone(announcer),
    ))
}

/// Adds the calls.
pub(super) fn serve(
    server: GrpcServer,
    (store, announcer): (&Arc<PgNotifications>, &Announcer),
    (here, others): (People, Option<OtherNodes>),
) -> GrpcServer {
    let preferences = preferences(store, announcer);
    let presence = PresenceApi::new(KnowPresence::new(here, others, Arc::clone(store) as _));
    server
        .service(PreferenceServiceServer::new(preferences), &PREFERENCE_RULES)
        .service(PresenceServiceServer::new(presence), &PRESENCE_RULES)
}
