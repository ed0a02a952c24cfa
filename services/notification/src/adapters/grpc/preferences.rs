//! The calls about how users want to be told.

mod parse;
mod render;

use tonic::{Code, Request, Response, Status};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::preference_service_server::PreferenceService;
use tradepost_service::RequestContext;
use tradepost_service::auth::Rule;
use tradepost_service::error::Failure;

use super::parse::whose;
use super::{MANAGE, READ_ANY, status};
use crate::application::{KeepPreferences, NotPreferred};

/// What opens the methods. What is another user's takes [`READ_ANY`] to read and [`MANAGE`] to replace; who
/// has that need not read notifications of their own, as an API key does not.
pub const PREFERENCE_RULES: [Rule; 2] = [
    Rule::of_tenant("GetPreferences", "notifications:read").or(&[READ_ANY]),
    Rule::of_tenant("UpdatePreferences", "notifications:read").or(&[MANAGE]),
];

/// The calls.
#[derive(Clone)]
pub struct PreferenceApi {
    preferences: KeepPreferences,
}

impl PreferenceApi {
    /// Calls that keep these.
    #[must_use]
    pub const fn new(preferences: KeepPreferences) -> Self {
        Self { preferences }
    }
}

#[tonic::async_trait]
impl PreferenceService for PreferenceApi {
    async fn get_preferences(
        &self,
        request: Request<pb::GetPreferencesRequest>,
    ) -> Result<Response<pb::GetPreferencesResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let reader = whose(&context, &request.get_ref().user_id, READ_ANY)?;
        let found = self.preferences.find(&reader).await;
        let found = found.map_err(|error| status::store(&error))?;
        let preferences = found.as_ref().map(render::preferences);
        Ok(Response::new(pb::GetPreferencesResponse {
            preferences: Some(preferences.unwrap_or_default()),
        }))
    }

    async fn update_preferences(
        &self,
        request: Request<pb::UpdatePreferencesRequest>,
    ) -> Result<Response<pb::UpdatePreferencesResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let request = request.into_inner();
        let reader = whose(&context, &request.user_id, MANAGE)?;
        let (preferences, expected) = parse::preferences(request.preferences)?;
        let put = self.preferences.put(&reader, &preferences, expected).await;
        let put = put.map_err(|why| not_preferred(&why))?;
        Ok(Response::new(pb::UpdatePreferencesResponse {
            preferences: Some(render::preferences(&put)),
        }))
    }
}

fn not_preferred(why: &NotPreferred) -> Status {
    match why {
        NotPreferred::Stale => {
            let message = "the preferences have been changed since; read them again";
            Failure::new(Code::Aborted, "REVISION_STALE", status::DOMAIN, message).into()
        }
        NotPreferred::Store(error) => status::store(error),
    }
}
