//! Servers of one test's own, to be stopped, killed and tormented.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use sqlx::migrate::Migrator;
use uuid::Uuid;

use crate::database::create;
use crate::{TestDatabase, stack};

/// A directory with a stack in it, whose servers are stopped and whose data is removed on drop.
#[derive(Debug)]
struct Private {
    dir: PathBuf,
    part: &'static str,
}

impl Private {
    async fn start(part: &'static str) -> Self {
        let root = stack::target_dir().join("testkit-private");
        let id = Uuid::now_v7().simple().to_string();
        let random = id.get(20..).unwrap_or(&id);
        let dir = root.join(format!("{}-{random}", std::process::id()));
        blocking(move || remove_left_behind(&root)).await;
        let this = Self { dir, part };
        this.run("start", &[]).await;
        this
    }

    async fn run(&self, command: &str, options: &[&str]) {
        let dir = self.dir.clone();
        let arguments: Vec<String> = [command, "--only", self.part]
            .iter()
            .chain(options)
            .map(ToString::to_string)
            .collect();
        blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            stack::script(&dir, &arguments);
        })
        .await;
    }

    fn url(&self, name: &str) -> SecretString {
        match stack::url_in(&self.dir, name) {
            Some(url) => url.to_string().into(),
            None => panic!("the private stack in {} has no {name}", self.dir.display()),
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        remove(&self.dir);
    }
}

/// Runs the script off the runtime, which has timers and proxies to serve meanwhile.
async fn blocking(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

fn remove(dir: &Path) {
    // Within a panic another one would abort and hide the report.
    let _best_effort = std::panic::catch_unwind(|| {
        stack::script(dir, &["stop", "--wipe", "--immediate"]);
    });
    let _best_effort = fs::remove_file(dir.with_extension("lock"));
}

/// Stops the servers of test processes that were killed before they could.
fn remove_left_behind(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.split_once('-'))
            .map(|(pid, _)| pid);
        if let Some(pid) = process
            && entry.path().is_dir()
            && !Path::new("/proc").join(pid).exists()
        {
            remove(&entry.path());
        }
    }
}

/// A `RabbitMQ` node of this test's own. It takes some seconds to start.
#[derive(Debug)]
pub struct PrivateBroker(Private);

/// Starts a broker for this test alone.
///
/// # Panics
/// If it does not start.
pub async fn private_broker() -> PrivateBroker {
    PrivateBroker(Private::start("rabbitmq").await)
}

impl PrivateBroker {
    /// AMQP URL, password included; it stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> SecretString {
        self.0.url("AMQP_URL")
    }

    /// Kills the node as a power cut would.
    pub async fn kill(&self) {
        self.0.run("stop", &["--immediate"]).await;
    }

    /// Starts the node again, with the data it had, and waits until it accepts connections.
    pub async fn start(&self) {
        self.0.run("start", &[]).await;
    }

    /// Raises or clears the memory alarm: while it is raised, publishers are blocked.
    pub async fn set_memory_alarm(&self, alarm: Alarm) {
        let watermark = match alarm {
            Alarm::Raised => "0.00001",
            Alarm::Cleared => "0.4",
        };
        self.ctl(&["set_vm_memory_high_watermark", watermark]).await;
    }

    /// Closes all connections from the broker's side.
    pub async fn close_all_connections(&self) {
        self.ctl(&["close_all_connections", "requested by a test"])
            .await;
    }

    /// Runs `rabbitmqctl` on the node.
    ///
    /// # Panics
    /// If it fails.
    pub async fn ctl(&self, arguments: &[&str]) {
        let with_mark: Vec<&str> = ["--"].iter().chain(arguments).copied().collect();
        self.0.run("rabbitmqctl", &with_mark).await;
    }
}

/// The state of the broker's memory alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alarm {
    /// Publishers are blocked.
    Raised,
    /// All is well.
    Cleared,
}

/// A `Redis` of this test's own.
#[derive(Debug)]
pub struct PrivateRedis(Private);

/// Starts a Redis for this test alone.
///
/// # Panics
/// If it does not start.
pub async fn private_redis() -> PrivateRedis {
    PrivateRedis(Private::start("redis").await)
}

impl PrivateRedis {
    /// The URL, password included; it stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> SecretString {
        self.0.url("REDIS_URL")
    }

    /// Stops; all that was in it is lost.
    pub async fn stop(&self) {
        self.0.run("stop", &[]).await;
    }

    /// Starts again, empty, and waits until it accepts connections.
    pub async fn start(&self) {
        self.0.run("start", &[]).await;
    }

    /// Stops the process where it stands: connections stay open, and nothing is answered.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen process go on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        let only = ["signal", "--only", self.0.part, "--", signal];
        stack::script(&self.0.dir, &only);
    }
}

/// A `PostgreSQL` cluster of this test's own.
#[derive(Debug)]
pub struct PrivatePostgres(Private);

/// Starts a cluster for this test alone.
///
/// # Panics
/// If it does not start.
pub async fn private_postgres() -> PrivatePostgres {
    PrivatePostgres(Private::start("postgres").await)
}

impl PrivatePostgres {
    /// A superuser's URL of the maintenance database; it stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> SecretString {
        self.0.url("POSTGRES_URL")
    }

    /// A migrated database in this cluster; see [`crate::database()`].
    ///
    /// # Panics
    /// If it cannot be made.
    pub async fn database(
        &self,
        service: &Migrator,
        extra: &[(&'static str, &Migrator)],
    ) -> TestDatabase {
        let admin = stack::url_in(&self.0.dir, "POSTGRES_URL");
        let Some(admin) = admin else {
            panic!("the private cluster has no URL")
        };
        match create(&admin, service, extra).await {
            Ok(database) => database,
            Err(error) => panic!("cannot make a test database: {error:#}"),
        }
    }

    /// Stops in order: open sessions end, nothing is lost.
    pub async fn stop(&self) {
        self.0.run("stop", &[]).await;
    }

    /// Starts again, with the data it had.
    pub async fn start(&self) {
        self.0.run("start", &[]).await;
    }

    /// Stops without an orderly shutdown and starts again: the server recovers as after a crash.
    pub async fn restart_immediate(&self) {
        self.0.run("stop", &["--immediate"]).await;
        self.start().await;
    }
}
