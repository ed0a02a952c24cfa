//! What the hub speaks to: one client's way out. A trait, so that orders of events can be tried
//! without sockets.

use std::sync::Arc;
use std::time::Duration;

use tradepost_websocket::{Class, Frame, Pushed, Sender};

use super::events::Events;

/// The way to one client. Nothing here waits.
pub trait Line: Send + Sync + 'static {
    /// A message as it goes over the line; made once for all who get it.
    type Frame: Clone + Send + Sync + 'static;

    /// The frame of a message.
    fn frame(text: &[u8]) -> Self::Frame;

    /// The message that a frame is of.
    fn text(frame: &Self::Frame) -> &[u8];

    /// How much memory a frame takes, in bytes.
    fn size(frame: &Self::Frame) -> usize;

    /// Gives one message.
    fn push(&self, frame: &Self::Frame, class: Class) -> Pushed;

    /// Gives several that must not be lost, in this order.
    fn push_all(&self, frames: &[Self::Frame]) -> Pushed;

    /// Gives a message that replaces the one before, if there is any, and asks for a sign of life.
    fn beat(&self, text: Option<&[u8]>);

    /// For how long nothing was heard.
    fn idle(&self) -> Duration;

    /// What waits goes first, then this.
    fn close(&self, code: u16, reason: &str);
}

/// The ways that there are.
#[derive(Debug, Clone)]
pub enum Way {
    /// A WebSocket.
    Socket(Sender),
    /// Server-sent events.
    Events(Arc<Events>),
}

impl Line for Way {
    type Frame = Frame;

    fn frame(text: &[u8]) -> Frame {
        Frame::text(text)
    }

    fn text(frame: &Frame) -> &[u8] {
        frame.payload()
    }

    fn size(frame: &Frame) -> usize {
        frame.len()
    }

    fn push(&self, frame: &Frame, class: Class) -> Pushed {
        match self {
            Self::Socket(sender) => sender.push(frame, class),
            Self::Events(events) => events.push(frame, class),
        }
    }

    fn push_all(&self, frames: &[Frame]) -> Pushed {
        match self {
            Self::Socket(sender) => sender.push_all(frames),
            Self::Events(events) => events.push_all(frames),
        }
    }

    fn beat(&self, text: Option<&[u8]>) {
        let frame = match (self, text) {
            (Self::Socket(_) | Self::Events(_), None) => Frame::ping(),
            (Self::Socket(_), Some(text)) => Frame::text_and_ping(text),
            // Whatever is written there is a sign that both are alive.
            (Self::Events(_), Some(text)) => Frame::text(text),
        };
        let _lost = self.push(&frame, Class::Collapse("beat".into()));
    }

    fn idle(&self) -> Duration {
        match self {
            Self::Socket(sender) => sender.idle(),
            Self::Events(events) => events.idle(),
        }
    }

    fn close(&self, code: u16, reason: &str) {
        match self {
            Self::Socket(sender) => sender.close(code, reason),
            Self::Events(events) => events.close(code, reason),
        }
    }
}
