//! Over what a client comes: a WebSocket, or events where none passes.

use std::time::Duration;

use tokio::time::Instant;

/// So many in a row without a word of the server, and no WebSocket passes.
const TRIES: u32 = 3;
/// What lies between may be gone by then: another network, another proxy.
const AGAIN: Duration = Duration::from_secs(10 * 60);

/// Over what a client hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A WebSocket.
    Socket,
    /// Server-sent events: it hears the same and says nothing.
    Events,
}

/// Which way comes next.
#[derive(Debug)]
pub(super) struct Ways {
    has_events: bool,
    /// Sockets in a row that ended without a word of the server.
    unheard: u32,
    /// Until then events are had instead.
    events_until: Option<Instant>,
}

impl Ways {
    pub(super) const fn new(has_events: bool) -> Self {
        Self {
            has_events,
            unheard: 0,
            events_until: None,
        }
    }

    pub(super) fn next(&self) -> Way {
        match self.events_until {
            Some(until) if Instant::now() < until => Way::Events,
            Some(_) | None => Way::Socket,
        }
    }

    /// The server has said something: it passes.
    pub(super) const fn heard(&mut self, way: Way) {
        match way {
            Way::Socket => self.unheard = 0,
            Way::Events => {}
        }
    }

    /// It ended, or did not begin, without a word of the server.
    pub(super) fn unheard(&mut self, way: Way) {
        match way {
            Way::Socket => {
                self.unheard = self.unheard.saturating_add(1);
                if self.unheard >= TRIES {
                    self.leave_sockets();
                }
            }
            // Perhaps it is the server that is away: it is the other's turn.
            Way::Events => self.events_until = None,
        }
    }

    /// Somebody who knows no WebSocket has answered; whether there is another way.
    pub(super) fn bar(&mut self, way: Way) -> bool {
        match way {
            Way::Socket => {
                self.leave_sockets();
                self.has_events
            }
            Way::Events => false,
        }
    }

    /// One more that is not heard, and they are left again.
    fn leave_sockets(&mut self) {
        self.unheard = TRIES;
        self.events_until = self.has_events.then(|| Instant::now() + AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_web_sockets_in_a_row_that_are_not_heard_are_left() {
        let mut ways = Ways::new(true);
        for way in [Way::Socket, Way::Socket] {
            ways.unheard(way);
        }
        ways.heard(Way::Socket);
        for _ in 0..TRIES {
            assert_eq!(ways.next(), Way::Socket);
            ways.unheard(Way::Socket);
        }

        assert_eq!(ways.next(), Way::Events);
        ways.heard(Way::Events);
        assert_eq!(ways.next(), Way::Events);
    }

    #[test]
    fn where_events_do_not_pass_either_they_take_turns() {
        let mut ways = Ways::new(true);
        assert!(ways.bar(Way::Socket));
        assert_eq!(ways.next(), Way::Events);

        ways.unheard(Way::Events);
        assert_eq!(ways.next(), Way::Socket);

        assert!(!ways.bar(Way::Events));
    }

    #[tokio::test(start_paused = true)]
    async fn web_sockets_are_tried_again_after_a_while() {
        let mut ways = Ways::new(true);
        ways.bar(Way::Socket);

        tokio::time::advance(AGAIN).await;

        assert_eq!(ways.next(), Way::Socket);
        ways.unheard(Way::Socket);
        assert_eq!(ways.next(), Way::Events);
    }

    #[test]
    fn without_events_there_is_one_way() {
        let mut ways = Ways::new(false);
        for _ in 0..TRIES {
            ways.unheard(Way::Socket);
        }
        assert!(!ways.bar(Way::Socket));
        assert_eq!(ways.next(), Way::Socket);
    }
}
