//! Asks the healer for a look before its time.

use tokio::sync::Notify;

/// Whoever sees that something got lost on the way asks; many who ask get one look.
#[derive(Debug, Default)]
pub struct Looks(Notify);

impl Looks {
    /// Asks for a look soon.
    pub fn ask(&self) {
        self.0.notify_one();
    }

    /// Returns when somebody has asked since it returned last.
    pub(super) async fn asked(&self) {
        self.0.notified().await;
    }
}
