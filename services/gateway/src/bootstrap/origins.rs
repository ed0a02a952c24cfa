//! The pages that may call: the platform's own, and those of tenants.

use std::sync::Arc;

use crate::application::Directory;
use crate::config::GatewayConfig;
use crate::http::Origins;

/// Those of the configuration, and the gateway's own, whose pages are `/docs` and `/demo`.
pub(super) fn platform_origins(config: &GatewayConfig) -> Vec<String> {
    let own = config.identity.issuer.origin().ascii_serialization();
    config.cors.origins.iter().cloned().chain([own]).collect()
}

/// All of them.
pub(super) struct AllowedOrigins {
    /// The platform's.
    pub(super) own: Vec<String>,
    /// Those of tenants.
    pub(super) directory: Arc<Directory>,
}

impl Origins for AllowedOrigins {
    fn allows(&self, origin: &str) -> bool {
        self.own.allows(origin) || self.directory.allows_origin(origin)
    }

    fn allows_for_all(&self, origin: &str) -> bool {
        self.own.allows(origin)
    }
}
