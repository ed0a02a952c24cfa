//! A service's binary as a child process.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::{eventually, stack};

const LOG_TAIL_LINES: usize = 200;

/// How to start a process; see [`Process::builder`].
#[derive(Debug)]
pub struct ProcessBuilder {
    binary: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl ProcessBuilder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable. Of this process's own environment the child sees only `PATH` and `HOME`.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts the process and does not wait for anything.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(self) -> Process {
        match self.try_spawn() {
            Ok(process) => process,
            Err(error) => panic!("cannot start a process: {error}"),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "two variables are passed on as they are"
    )]
    fn try_spawn(self) -> io::Result<Process> {
        let name = self
            .binary
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let dir = stack::target_dir().join("testkit-logs");
        fs::create_dir_all(&dir)?;
        let log = dir.join(format!("{name}-{}.log", Uuid::now_v7().simple()));
        let file = File::create(&log)?;
        let inherited =
            ["PATH", "HOME"].map(|name| (name, std::env::var(name).unwrap_or_default()));
        let child = Command::new(&self.binary)
            .args(self.arguments)
            .env_clear()
            .envs(inherited)
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .map_err(|error| io::Error::other(format!("{}: {error}", self.binary.display())))?;
        Ok(Process { name, child, log })
    }
}

/// A running child process. Dropping it kills it; if the test is panicking, the end of its log is
/// shown, and else the log is removed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Describes a process that runs the program at `binary`.
    #[must_use]
    pub fn builder(binary: impl Into<PathBuf>) -> ProcessBuilder {
        ProcessBuilder {
            binary: binary.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Waits until `GET /readyz` on the admin port answers 200.
    ///
    /// # Panics
    /// If it does not in time, or the process ends.
    pub async fn ready(&mut self, admin: SocketAddr, within: Duration) {
        let what = format!("{} ready on {admin}", self.name);
        eventually(&what, within, async || {
            self.assert_alive();
            answers_ok(admin, "/readyz").await.then_some(())
        })
        .await;
    }

    /// Kills the process at once (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        // It fails only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the process to stop (SIGTERM).
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name, such as `STOP` or `CONT`.
    ///
    /// # Panics
    /// If it cannot be sent.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "cannot send {name} to {}",
            self.name
        );
    }

    /// Waits for the end of the process.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        eventually(&what, within, async || self.ended()).await
    }

    /// How the process has ended, if it has.
    #[must_use]
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // It fails only for a process that is not our child.
        self.child.try_wait().ok().flatten()
    }

    /// What the process has written to its standard output and error so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The file that collects the output.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn assert_alive(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended before it was ready: {status}", self.name);
        }
    }
}

impl Drop for Process {
    #[expect(
        clippy::print_stderr,
        reason = "the test runner shows it with the failure"
    )]
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines
                .get(lines.len().saturating_sub(LOG_TAIL_LINES)..)
                .unwrap_or_default();
            eprintln!(
                "--- end of {}:\n{}\n---",
                self.log.display(),
                tail.join("\n")
            );
        } else {
            let _best_effort = fs::remove_file(&self.log);
        }
    }
}

/// One plain HTTP question; any failure is a "no".
async fn answers_ok(address: SocketAddr, path: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        Ok::<_, io::Error>(status == *b"HTTP/1.1 200")
    };
    let answer = tokio::time::timeout(Duration::from_secs(1), ask).await;
    matches!(answer, Ok(Ok(true)))
}
