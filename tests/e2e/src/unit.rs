//! One service as a process: started, stopped, killed, and made to die.

use std::net::{Ipv4Addr, SocketAddr};

use tradepost_testkit::{Process, ProcessBuilder, free_port};

use crate::{SOON, Service};

/// Where a process is made to die.
#[derive(Debug, Clone)]
pub struct Death {
    /// The crash point.
    pub point: String,
    /// Which pass of it, counted from 1.
    pub hit: u32,
}

/// A service of the shop; its process comes and goes, its addresses stay.
#[derive(Debug)]
pub struct Unit {
    service: Service,
    environment: Vec<(String, String)>,
    listen: SocketAddr,
    admin: SocketAddr,
    process: Option<Process>,
}

impl Unit {
    pub(crate) fn new(service: Service) -> Self {
        let local = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (listen, admin) = (local(), local());
        let mut unit = Self {
            service,
            environment: Vec::new(),
            listen,
            admin,
            process: None,
        };
        unit.set("SERVER__LISTEN_ADDR", listen);
        unit.set("SERVER__ADMIN_ADDR", admin);
        unit
    }

    /// Sets `TRADEPOST_<SERVICE>__<key>` for the processes to come.
    pub fn set(&mut self, key: &str, value: impl ToString) {
        let name = format!("TRADEPOST_{}__{key}", self.service.name().to_uppercase());
        self.environment.retain(|(known, _)| *known != name);
        self.environment.push((name, value.to_string()));
    }

    /// What was set last.
    pub(crate) fn setting(&self, key: &str) -> Option<&str> {
        let name = format!("TRADEPOST_{}__{key}", self.service.name().to_uppercase());
        let mut set = self.environment.iter();
        let (_, value) = set.find(|(known, _)| *known == name)?;
        Some(value)
    }

    /// `http://` and the public port.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Starts the process and waits until it is ready.
    pub async fn start(&mut self) {
        let process = self.process.insert(self.spawn(&[]));
        process.ready(self.admin, SOON).await;
    }

    /// Starts a process that will die there; it is not waited for, because it may die before it is
    /// ready.
    pub fn start_doomed(&mut self, death: &Death) {
        let prefix = format!(
            "TRADEPOST_{}__SERVER__CRASH__",
            self.service.name().to_uppercase()
        );
        let armed = [
            (format!("{prefix}POINT"), death.point.clone()),
            (format!("{prefix}HIT"), death.hit.to_string()),
        ];
        self.process = Some(self.spawn(&armed));
    }

    fn spawn(&self, more: &[(String, String)]) -> Process {
        let variables = self.environment.iter().chain(more);
        let builder = Process::builder(self.service.program());
        variables
            .fold(builder, |builder, (name, value)| builder.env(name, value))
            .spawn()
    }

    /// Runs a command of the program with the settings of the service.
    ///
    /// # Panics
    /// If it fails; with what it said.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let builder = Process::builder(self.service.program());
        let builder = arguments.iter().fold(builder, ProcessBuilder::arg);
        let variables = self.environment.iter();
        let builder = variables.fold(builder, |builder, (name, value)| builder.env(name, value));
        let mut process = builder.spawn();
        let status = process.wait(SOON).await;
        let said = process.log();
        assert!(
            status.success(),
            "{arguments:?} ended with {status}: {said}"
        );
        said
    }

    /// Kills the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Asks the process to stop (SIGTERM) and waits for its end.
    ///
    /// # Panics
    /// If there is none, it does not end, or not in order.
    pub async fn stop(&mut self) {
        let mut process = self.process.take().expect("a process that runs");
        process.terminate();
        let status = process.wait(SOON).await;
        assert!(status.success(), "{:?} stopped with {status}", self.service);
    }

    /// Whether the process has ended by itself.
    pub fn has_died(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.ended().is_some())
    }

    /// What the process has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }
}
