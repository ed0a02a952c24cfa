//! The pages that may call: the platform's own, and those of tenants.

use std::sync::Arc;

use crate::application::Directory;
use crate::http::Origins;

/// All of them.
pub(super) struct AllowedOrigins {
    /// Those of the configuration.
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
