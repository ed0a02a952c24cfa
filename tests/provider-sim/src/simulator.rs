//! Starting, holding and stopping a simulator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bank::{Command, NewDispute};
use crate::config::{Config, WebhookTarget};
use crate::faults::Faults;
use crate::journal::{Entry, Op};
use crate::ledger::{Cause, Ledger};
use crate::model::{DisputeStatus, IntentStatus};
use crate::webhooks::Dispatcher;
use crate::witness::{self, Witness, WitnessError};
use crate::{admin, connection, exchange};

/// How the customer's authentication ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionResult {
    /// The payment goes on.
    #[default]
    Succeed,
    /// The payment needs another payment method.
    Fail,
}

/// Why a simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The log cannot be opened, read or rebuilt from.
    #[error("cannot rebuild the state from the log")]
    Log(#[source] io::Error),
    /// The client for webhooks cannot be made.
    #[error("cannot make the client for webhooks")]
    Client(#[source] reqwest::Error),
}

/// Everything the parts of one simulator share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) faults: Faults,
    pub(crate) webhooks: Dispatcher,
    pub(crate) tasks: TaskTracker,
    stop: CancellationToken,
}

impl App {
    /// What an entry sets going: its webhooks, and the later end of a slow capture or refund.
    pub(crate) async fn after(&self, entry: &Entry) {
        self.settle_later(entry);
        self.webhooks.send(entry).await;
    }

    fn settle_later(&self, entry: &Entry) {
        let slow_refund = entry
            .refund
            .as_ref()
            .filter(|refund| refund.settles.is_some());
        let slow_capture = entry
            .intent
            .as_ref()
            .filter(|intent| intent.status == IntentStatus::Processing);
        let began = entry.op != Op::Settle && entry.error.is_none();
        let id = slow_refund.map(|r| &r.id).or(slow_capture.map(|i| &i.id));
        if let (Some(id), true) = (id, began) {
            self.settle_after(id.clone());
        }
    }

    fn settle_after(&self, id: String) {
        let (ledger, webhooks) = (Arc::clone(&self.ledger), self.webhooks.clone());
        let (stop, pause) = (self.stop.clone(), self.config.settle_after);
        self.tasks.spawn(async move {
            let settled = stop.run_until_cancelled(sleep(pause)).await;
            if settled.is_some()
                && let Ok(entry) = ledger.execute(&Cause::of(Op::Settle), Command::Settle { id })
            {
                webhooks.send(&entry).await;
            }
        });
    }

    pub(crate) async fn complete_action(
        &self,
        id: &str,
        result: ActionResult,
    ) -> io::Result<Entry> {
        let command = Command::CompleteAction {
            id: id.to_owned(),
            result,
        };
        let entry = self.ledger.execute(&Cause::of(Op::Action), command)?;
        self.after(&entry).await;
        Ok(entry)
    }

    pub(crate) async fn dispute(&self, command: Command) -> io::Result<Entry> {
        let entry = self.ledger.execute(&Cause::of(Op::Dispute), command)?;
        self.after(&entry).await;
        Ok(entry)
    }

    pub(crate) fn reset(&self) -> io::Result<()> {
        self.faults.clear();
        self.ledger.reset()?;
        self.webhooks.forget();
        Ok(())
    }
}

/// Starts simulators.
#[derive(Debug)]
pub struct Simulator;

impl Simulator {
    /// Rebuilds the state from the log, listens and serves until the handle is dropped.
    ///
    /// # Errors
    /// The log is unreadable or the address is taken.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let (ledger, undelivered) = Ledger::open(config.log.as_deref()).map_err(StartError::Log)?;
        let address = config.listen;
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;

        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (ledger, faults) = (Arc::new(ledger), Faults::default());
        let webhooks = Dispatcher::start(&config, &ledger, &faults, &tasks, &stop)
            .map_err(StartError::Client)?;
        let app = Arc::new(App {
            config,
            ledger,
            faults,
            webhooks,
            tasks: tasks.clone(),
            stop: stop.clone(),
        });
        let unsettled: Vec<String> = app
            .ledger
            .look(|bank| bank.unsettled().map(str::to_owned).collect());
        for id in unsettled {
            app.settle_after(id);
        }
        for waiting in undelivered {
            app.webhooks.resend(&waiting.entry, waiting.event);
        }
        let router = Router::new()
            .nest("/_sim", admin::router())
            .fallback(exchange::handle)
            .with_state(Arc::clone(&app));
        tasks.spawn(connection::accept(listener, router, tasks.clone(), stop));
        Ok(Running { app, address })
    }
}

/// A running simulator; dropping it stops it as abruptly as a kill.
#[derive(Debug)]
pub struct Running {
    app: Arc<App>,
    address: SocketAddr,
}

impl Running {
    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bound address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The fault switches.
    pub fn faults(&self) -> Faults {
        self.app.faults.clone()
    }

    /// Sends webhooks to another place from now on, or nowhere.
    pub fn set_webhook(&self, target: Option<WebhookTarget>) {
        self.app.webhooks.set_target(target);
    }

    /// Lets the customer complete or fail an authentication.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn complete_action(
        &self,
        intent_id: &str,
        result: ActionResult,
    ) -> io::Result<Entry> {
        self.app.complete_action(intent_id, result).await
    }

    /// Lets a bank begin a dispute or an inquiry.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn open_dispute(&self, new: NewDispute) -> io::Result<Entry> {
        self.app.dispute(Command::Dispute(Box::new(new))).await
    }

    /// Lets the bank go on with a dispute; one that cannot go there is refused in the entry.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn move_dispute(&self, id: &str, status: DisputeStatus) -> io::Result<Entry> {
        let id = id.to_owned();
        self.app.dispute(Command::GoOn { id, status }).await
    }

    /// What the log says at this moment.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn witness(&self) -> Result<Witness, WitnessError> {
        match self.app.ledger.path() {
            Some(path) => witness::read(path),
            None => witness::parse(self.app.ledger.log()?),
        }
    }

    /// Stops and waits until every task has ended.
    pub async fn stop(self) {
        let tasks = self.app.tasks.clone();
        drop(self);
        // A delivery that hangs must not hold up its test.
        let _ = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.ledger.stop();
        self.app.stop.cancel();
        self.app.tasks.close();
    }
}
