//! Sends what is due, unless it is quiet, and judges what came of it.

use async_trait::async_trait;
use rand::Rng;
use tokio::time::Instant;
use tradepost_service::Clock;

use crate::domain::email::{Answer, Fault, JITTER_PERMILLE_MAX, Schedule, verdict};
use crate::metrics::EmailMetrics;
use crate::ports::channels::{ChannelCourier, Noting};
use crate::ports::email::{AddressStanding, Emails, Leased, Letter, Mailers, Noted};

/// Sends e-mails.
pub struct SendEmails {
    mailer: Mailers,
    metrics: EmailMetrics,
    schedule: Schedule,
    clock: Clock,
}

impl SendEmails {
    /// Sends by `mailer`, and again by the schedule.
    #[must_use]
    pub fn new(mailer: Mailers, metrics: EmailMetrics, schedule: Schedule) -> Self {
        Self {
            mailer,
            metrics,
            schedule,
            clock: Clock::system(),
        }
    }

    async fn hand_over(&self, leased: &Leased) -> Answer {
        let Some(to) = &leased.to else {
            return Answer::None(Fault::NoAddress);
        };
        let letter = Letter {
            id: leased.id,
            to,
            title: &leased.title,
            message: &leased.message,
            told_at: leased.told_at,
        };
        self.mailer.hand_over(letter).await
    }
}

#[async_trait]
impl ChannelCourier<Emails> for SendEmails {
    async fn send(&self, leased: &Leased) -> Noted {
        // Asked for each attempt: a repetition is as loud as the first, and hours may have changed.
        if let Some(until) = leased.preferences.quiet_until(self.clock.now()) {
            self.metrics.quiet();
            return Noted::Quiet(until);
        }
        let began = Instant::now();
        let answer = self.hand_over(leased).await;
        self.metrics.attempted(answer, began.elapsed());
        let jitter = rand::rng().random_range(0..=JITTER_PERMILLE_MAX);
        let attempts = leased.attempts.saturating_add(1);
        Noted::Tried {
            verdict: verdict(attempts, answer, &self.schedule, jitter),
            answer,
        }
    }

    fn noted(&self, leased: &Leased, noting: Noting<AddressStanding>) {
        match noting {
            Noting::Done(AddressStanding::Refused) => {
                self.metrics.refused();
                tracing::info!(
                    event = "notification.email_address_refused",
                    tenant.id = %leased.tenant,
                    email.id = %leased.id,
                    "the mail server refused an address for good; it is sent nothing more"
                );
            }
            Noting::Done(AddressStanding::Kept) => {}
            Noting::TooLate => tracing::info!(
                event = "notification.email_too_late",
                email.id = %leased.id,
                "what came of an attempt is not noted: somebody else has the e-mail, or it is gone"
            ),
        }
    }
}
