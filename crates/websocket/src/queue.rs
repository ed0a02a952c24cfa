//! The queue alone, for a client that is written to in another way than a WebSocket's: the same
//! frames, the same classes, the same bounds.

use crate::connection::Pushed;
use crate::frame::Frame;
use crate::outbox::{Class, Limits, Outbox};

/// What waits for one client. Whoever writes takes from it.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    outbox: Outbox,
    /// A frame that had to be sent found no room.
    is_full: bool,
}

impl Queue {
    /// A queue in which nothing waits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            outbox: Outbox::default(),
            is_full: false,
        }
    }

    /// Lets a frame wait, as its class says.
    #[must_use]
    pub fn push(&mut self, frame: &Frame, class: Class) -> Pushed {
        if self.is_full {
            return Pushed::Overflow;
        }
        let (pushed, _dropped) = self.outbox.put(frame, class, &self.limits);
        self.noted(pushed)
    }

    /// Lets frames wait that belong together, all of [`Class::Must`]. When nothing waits before
    /// them, they may be more than the limits.
    #[must_use]
    pub fn push_all(&mut self, frames: &[Frame]) -> Pushed {
        if self.is_full {
            return Pushed::Overflow;
        }
        let (pushed, _dropped) = self.outbox.put_run(frames, &self.limits);
        self.noted(pushed)
    }

    /// The next frame.
    pub fn pop(&mut self) -> Option<Frame> {
        self.outbox.pop()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outbox.is_empty()
    }

    fn noted(&mut self, pushed: Pushed) -> Pushed {
        self.is_full |= pushed == Pushed::Overflow;
        pushed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(messages: usize) -> Queue {
        Queue::new(Limits {
            queue_bytes: 1_000,
            queue_messages: messages,
            message_bytes: 1_000,
        })
    }

    fn popped(queue: &mut Queue) -> Vec<String> {
        let frames = std::iter::from_fn(|| queue.pop());
        let text = |frame: Frame| String::from_utf8(frame.payload().to_vec()).unwrap();
        frames.map(text).collect()
    }

    #[test]
    fn frames_come_out_by_their_classes() {
        let mut queue = queue(3);
        let frame = |text: &str| Frame::text(text.as_bytes());

        for (text, class, pushed) in [
            ("a", Class::Must, Pushed::Taken),
            ("old", Class::Collapse("tops".into()), Pushed::Taken),
            ("new", Class::Collapse("tops".into()), Pushed::Taken),
            ("passing", Class::Ephemeral, Pushed::Taken),
            ("b", Class::Must, Pushed::Taken),
            ("late", Class::Ephemeral, Pushed::Dropped),
        ] {
            assert_eq!(queue.push(&frame(text), class), pushed, "{text}");
        }

        assert_eq!(popped(&mut queue), ["a", "new", "b"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn nothing_comes_after_a_gap() {
        let mut queue = queue(1);
        let frame = Frame::text(b"a");

        assert_eq!(queue.push(&frame, Class::Must), Pushed::Taken);
        assert_eq!(queue.push(&frame, Class::Must), Pushed::Overflow);
        assert_eq!(popped(&mut queue), ["a"]);
        assert_eq!(queue.push(&frame, Class::Ephemeral), Pushed::Overflow);
        assert_eq!(queue.push_all(&[frame]), Pushed::Overflow);
    }

    #[test]
    fn what_belongs_together_may_be_more_than_the_bounds() {
        let mut queue = queue(1);
        let frames = [Frame::text(b"a"), Frame::text(b"b")];

        assert_eq!(queue.push_all(&frames), Pushed::Taken);
        assert_eq!(popped(&mut queue), ["a", "b"]);
        assert_eq!(queue.push(&frames[0], Class::Must), Pushed::Taken);
    }
}
