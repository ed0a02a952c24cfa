//! What a mail server's answer means, and when the next attempt is due.

use std::time::Duration;

/// By how much a wait is drawn out at most, in thousandths: what failed together does not come
/// again together.
pub const JITTER_PERMILLE_MAX: u32 = 100;

/// The waits after the first, second, ... attempt; after the one that follows the last wait, it
/// has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule(pub Vec<Duration>);

/// Where in the dialogue the server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Before there was a mail: who we are, and by which right.
    Session,
    /// At MAIL.
    Sender,
    /// At RCPT.
    Recipient,
    /// At DATA, or after it.
    Message,
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It took too long.
    Timeout,
    /// There was no connection, or it broke.
    Connect,
    /// The certificate is not good, the server has no TLS, or TLS failed otherwise.
    Tls,
    /// The user has no address any more.
    NoAddress,
}

impl Fault {
    /// As lists and metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::NoAddress => "no_address",
        }
    }
}

/// How an attempt was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The server took the mail, with this reply.
    Taken(u16),
    /// It did not.
    Refused {
        /// Where.
        at: Step,
        /// The reply's code: 4yz for now, 5yz for good.
        code: u16,
        /// Whether it is about what we may do, and not about the mail or its address: an
        /// authentication that is missing, or an enhanced code 5.7.
        is_policy: bool,
    },
    /// There was none.
    None(Fault),
}

/// What is to be done after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the server took it.
    Sent,
    /// Another attempt after this time.
    Again(Duration),
    /// Nothing: it will not be taken.
    Failed,
    /// Nothing, and the address is to be sent nothing more.
    Refused,
}

/// What is to be done after that many attempts, of which the last was answered so. `jitter_permille` is
/// chance. A server that does not take *us* is for the operator to mend: the mail is tried again.
#[must_use]
pub fn verdict(
    attempts: u32,
    answer: Answer,
    schedule: &Schedule,
    jitter_permille: u32,
) -> Verdict {
    match answer {
        Answer::Taken(_) => return Verdict::Sent,
        Answer::None(Fault::NoAddress) => return Verdict::Failed,
        Answer::Refused {
            at,
            code: 500..,
            is_policy,
        } => match at {
            Step::Session => {}
            Step::Recipient if !is_policy => return Verdict::Refused,
            Step::Sender | Step::Recipient | Step::Message => return Verdict::Failed,
        },
        Answer::Refused { .. } | Answer::None(Fault::Timeout | Fault::Connect | Fault::Tls) => {}
    }
    let made = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let Some(&pause) = schedule.0.get(made) else {
        return Verdict::Failed;
    };
    Verdict::Again(pause + pause * jitter_permille.min(JITTER_PERMILLE_MAX) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule([60, 300].map(Duration::from_secs).to_vec())
    }

    const fn refused(at: Step, code: u16) -> Answer {
        Answer::Refused {
            at,
            code,
            is_policy: false,
        }
    }

    const STEPS: [Step; 4] = [Step::Session, Step::Sender, Step::Recipient, Step::Message];

    #[test]
    fn what_was_taken_is_sent_whatever_the_attempt() {
        for attempts in [1, 3, 100] {
            assert_eq!(
                verdict(attempts, Answer::Taken(250), &schedule(), 0),
                Verdict::Sent
            );
        }
    }

    #[test]
    fn a_refusal_for_now_and_no_answer_are_tried_again_by_the_schedule_and_then_fail() {
        let mut answers: Vec<Answer> = STEPS.map(|at| refused(at, 451)).to_vec();
        answers.extend([Fault::Timeout, Fault::Connect, Fault::Tls].map(Answer::None));
        for answer in answers {
            let verdicts = [1, 2, 3].map(|attempts| verdict(attempts, answer, &schedule(), 0));

            let again = |seconds| Verdict::Again(Duration::from_secs(seconds));
            assert_eq!(verdicts, [again(60), again(300), Verdict::Failed]);
        }
    }

    #[test]
    fn a_refusal_for_good_ends_it_and_at_the_recipient_the_address() {
        let at = |step| verdict(1, refused(step, 550), &schedule(), 0);

        assert_eq!(at(Step::Recipient), Verdict::Refused);
        assert_eq!(at(Step::Sender), Verdict::Failed);
        assert_eq!(at(Step::Message), Verdict::Failed);
    }

    #[test]
    fn a_server_that_does_not_take_us_costs_nobody_their_address_or_mail() {
        let policy = Answer::Refused {
            at: Step::Recipient,
            code: 554,
            is_policy: true,
        };

        assert_eq!(verdict(1, policy, &schedule(), 0), Verdict::Failed);
        let session = verdict(1, refused(Step::Session, 535), &schedule(), 0);
        assert_eq!(session, Verdict::Again(Duration::from_secs(60)));
    }

    #[test]
    fn without_an_address_nothing_is_tried_again() {
        let none = Answer::None(Fault::NoAddress);

        assert_eq!(verdict(1, none, &schedule(), 0), Verdict::Failed);
    }

    #[test]
    fn chance_draws_a_wait_out_by_a_tenth_at_most() {
        let drawn = |permille| verdict(2, Answer::None(Fault::Connect), &schedule(), permille);

        assert_eq!(drawn(100), Verdict::Again(Duration::from_secs(330)));
        assert_eq!(drawn(5_000), Verdict::Again(Duration::from_secs(330)));
    }
}
