//! Tells followers beside whoever announces, so that what is announced while a large group is told
//! goes together, and each connection gets it in one write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tradepost_service::Tasks;

use super::Nodes;
use crate::ports::{Announce, Announcement, Whose};

/// Announcements that wait; with more, whoever announces tells all of them, and so is held up.
const WAITING_MAX: usize = 4_096;
/// Signals to so many users are told by who announces them, when nothing waits before them.
const BRIEF_MAX: usize = 8;

/// What is announced here is told soon, or at once when too much waits: in the order in which it was
/// announced, whoever tells it. Streams would put themselves in order; signals cannot, and an older
/// one must not replace a newer one with its key.
pub struct Deliveries {
    nodes: Nodes,
    waiting: Mutex<Waiting>,
    /// Held by who tells, and taken before `waiting`.
    turn: Mutex<()>,
    ready: Notify,
}

#[derive(Default)]
struct Waiting {
    announcements: Vec<Announcement>,
    /// Nobody takes them any more.
    is_over: bool,
}

impl Deliveries {
    /// Tells by `nodes` in a task, until the token is cancelled.
    pub fn start(nodes: Nodes, tasks: &Tasks, until: &CancellationToken) -> Arc<Self> {
        let deliveries = Arc::new(Self {
            nodes,
            waiting: Mutex::default(),
            turn: Mutex::default(),
            ready: Notify::new(),
        });
        let run = Arc::clone(&deliveries).run(until.clone());
        tasks.spawn("deliveries", run);
        deliveries
    }

    async fn run(self: Arc<Self>, until: CancellationToken) {
        while until
            .run_until_cancelled(self.ready.notified())
            .await
            .is_some()
        {
            self.tell();
        }
        self.waiting().is_over = true;
        self.tell();
    }

    fn tell(&self) {
        // What a panic left behind is told already, or lost with it.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let announcements = std::mem::take(&mut self.waiting().announcements);
        self.nodes.announce(announcements);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Announce for Deliveries {
    fn announce(&self, announcements: Vec<Announcement>) {
        // To wake the task would cost more than to tell them.
        if is_brief(&announcements)
            && let Ok(_turn) = self.turn.try_lock()
            && self.waiting().announcements.is_empty()
        {
            return self.nodes.announce(announcements);
        }
        let is_told_here = {
            let mut waiting = self.waiting();
            waiting.announcements.extend(announcements);
            waiting.is_over || waiting.announcements.len() > WAITING_MAX
        };
        if is_told_here {
            self.tell();
        } else {
            self.ready.notify_one();
        }
    }
}

/// Whether it is soon told: signals to a few users.
fn is_brief(announcements: &[Announcement]) -> bool {
    let is_brief = |announcement: &Announcement| match announcement {
        Announcement::Signal(signal) => matches!(signal.key.whose, Whose::User(_)),
        Announcement::Entry(_)
        | Announcement::Member(_)
        | Announcement::Read(_)
        | Announcement::Preferences(_) => false,
    };
    announcements.len() <= BRIEF_MAX && announcements.iter().all(is_brief)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;
    use std::time::Duration;

    use bytes::Bytes;
    use tradepost_notifications::stream::Epoch;
    use tradepost_types::TenantId;

    use super::*;
    use crate::ports::{Change, Follow, Gap, Signal, StreamKey, Top};

    /// How many each telling was.
    #[derive(Default)]
    struct Told(Mutex<Vec<usize>>);

    impl Follow for Told {
        fn tell(&self, changes: &[Change]) {
            self.0.lock().unwrap().push(changes.len());
        }

        fn gaps(&self, _tops: &[Top]) -> Vec<Gap> {
            Vec::new()
        }

        fn epoch(&self, _epoch: &Epoch) {}

        fn lost(&self, _gap: &Gap) {}
    }

    impl Told {
        fn take(&self) -> Vec<usize> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    /// To all of a group.
    fn signals(count: usize) -> Vec<Announcement> {
        to(Whose::Group("staff".parse().unwrap()), count)
    }

    fn to(whose: Whose, count: usize) -> Vec<Announcement> {
        let signal = Signal {
            key: StreamKey {
                tenant: TenantId::new(),
                whose,
            },
            collapse: None,
            text: Bytes::new(),
        };
        vec![Announcement::Signal(signal); count]
    }

    fn start() -> (Arc<Deliveries>, Arc<Told>, Tasks, CancellationToken) {
        let (told, until) = (Arc::<Told>::default(), CancellationToken::new());
        let tasks = Tasks::new(until.clone());
        let nodes = Nodes::new(Arc::clone(&told) as _, None);
        let deliveries = Deliveries::start(nodes, &tasks, &until);
        (deliveries, told, tasks, until)
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_nobody_tells_is_told_together() {
        let (deliveries, told, _tasks, _until) = start();

        for count in [1, 2, 3] {
            deliveries.announce(signals(count));
        }
        // Time goes on when nothing else is to be done.
        tokio::time::sleep(Duration::from_secs(1)).await;
        deliveries.announce(signals(1));
        tokio::time::sleep(Duration::from_secs(1)).await;

        assert_eq!(told.take(), [6, 1]);
    }

    #[tokio::test]
    async fn what_has_no_room_is_told_by_who_announces_it_behind_what_waits() {
        let (deliveries, told, _tasks, _until) = start();

        deliveries.announce(signals(WAITING_MAX - 1));
        deliveries.announce(signals(2));

        assert_eq!(told.take(), [WAITING_MAX + 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_signals_to_users_wait_for_nobody_but_for_what_waits() {
        let (deliveries, told, _tasks, _until) = start();
        let to_ada = |count| to(Whose::User("ada".parse().unwrap()), count);

        deliveries.announce(to_ada(BRIEF_MAX));
        let at_once = told.take();
        deliveries.announce(to_ada(BRIEF_MAX + 1));
        deliveries.announce(to_ada(1));
        let behind = told.take();
        // Time goes on when nothing else is to be done.
        tokio::time::sleep(Duration::from_secs(1)).await;

        assert_eq!((at_once, behind), (vec![BRIEF_MAX], vec![]));
        assert_eq!(told.take(), [BRIEF_MAX + 2]);
    }

    /// Whoever tells is held up until it may go on, and only then counts.
    struct Held {
        begun: Sender<()>,
        go_on: Mutex<Receiver<()>>,
        told: Told,
    }

    impl Follow for Held {
        fn tell(&self, changes: &[Change]) {
            self.begun.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
            self.told.tell(changes);
        }

        fn gaps(&self, _tops: &[Top]) -> Vec<Gap> {
            Vec::new()
        }

        fn epoch(&self, _epoch: &Epoch) {}

        fn lost(&self, _gap: &Gap) {}
    }

    #[test]
    fn what_has_no_room_does_not_overtake_what_is_being_told() {
        let (begun, begins) = channel();
        let (let_go, go_on) = channel();
        let held = Arc::new(Held {
            begun,
            go_on: Mutex::new(go_on),
            told: Told::default(),
        });
        let deliveries = Deliveries {
            nodes: Nodes::new(Arc::clone(&held) as _, None),
            waiting: Mutex::default(),
            turn: Mutex::default(),
            ready: Notify::new(),
        };

        deliveries.announce(signals(1));
        thread::scope(|scope| {
            scope.spawn(|| deliveries.tell());
            begins.recv().unwrap();
            scope.spawn(|| deliveries.announce(signals(WAITING_MAX + 1)));
            let has_overtaken = loop {
                if begins.try_recv().is_ok() {
                    break true;
                }
                // Its turn has not come.
                if !deliveries.waiting().announcements.is_empty() {
                    break false;
                }
                thread::yield_now();
            };
            let_go.send(()).unwrap();
            let_go.send(()).unwrap();
            assert!(!has_overtaken);
        });

        assert_eq!(held.told.take(), [1, WAITING_MAX + 1]);
    }

    #[tokio::test]
    async fn nothing_is_left_at_the_end_nor_comes_too_late() {
        let (deliveries, told, tasks, until) = start();

        deliveries.announce(signals(3));
        until.cancel();
        tasks.drained().await;
        let before = told.take();
        deliveries.announce(signals(2));

        assert_eq!(before.iter().sum::<usize>(), 3);
        assert_eq!(told.take(), [2]);
    }
}
