//! The service as a process of the bench's own.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::TargetError;
use crate::bench::process::Process;

/// How long it may take to be ready, and to end.
const START_MAX: Duration = Duration::from_secs(60);
const END_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A running process. It is killed with the value, if it was not stopped before.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Its gRPC port.
    pub addr: SocketAddr,
    /// Its admin port.
    pub admin: SocketAddr,
    /// Its number.
    pub pid: u32,
}

impl Server {
    /// Starts `program` with the variables of a file of lines `NAME=value`, its output at the end of
    /// `log`, and waits until it is ready. `extra` wins over the file.
    ///
    /// # Errors
    /// [`TargetError::Process`]: it cannot be started, or is not ready within a minute.
    pub async fn start(
        program: &Path,
        environment: &Path,
        extra: &[(String, String)],
        log: &Path,
    ) -> Result<Self, TargetError> {
        Self::run(Command::new(program), environment, extra, log).await
    }

    /// The same on one core only, so that the process sizes itself to it.
    ///
    /// # Errors
    /// As [`Server::start`]; also when the machine has no such core.
    pub async fn start_on(
        core: usize,
        program: &Path,
        environment: &Path,
        extra: &[(String, String)],
        log: &Path,
    ) -> Result<Self, TargetError> {
        // It becomes the program: the number is the same.
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(program);
        Self::run(command, environment, extra, log).await
    }

    async fn run(
        mut command: Command,
        environment: &Path,
        extra: &[(String, String)],
        log: &Path,
    ) -> Result<Self, TargetError> {
        let mut variables = Self::environment(environment)?;
        variables.extend(extra.iter().cloned());
        let address = |end: &str| {
            let named = variables.iter().rev().find(|(name, _)| name.ends_with(end));
            let parsed = named.and_then(|(_, value)| value.parse().ok());
            parsed.ok_or_else(|| io::Error::other(format!("the environment says no {end}")))
        };
        let (addr, admin) = (
            address("__SERVER__LISTEN_ADDR")?,
            address("__SERVER__ADMIN_ADDR")?,
        );
        let log = File::options().create(true).append(true).open(log)?;
        let child = command
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        let mut server = Self {
            child,
            addr,
            admin,
            pid,
        };
        server.ready().await?;
        Ok(server)
    }

    /// The variables of a file of lines `NAME=value`.
    ///
    /// # Errors
    /// [`TargetError::Process`]: it cannot be read.
    pub fn environment(file: &Path) -> Result<Vec<(String, String)>, TargetError> {
        let text = std::fs::read_to_string(file)?;
        Ok(text.lines().filter_map(variable).collect())
    }

    async fn ready(&mut self) -> Result<(), TargetError> {
        let until = Instant::now() + START_MAX;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                let why = format!("it ended before it was ready: {status}");
                return Err(io::Error::other(why).into());
            }
            // The port is bound early, but taken from only when it serves.
            if TcpStream::connect(self.addr).await.is_ok() && answers(self.admin).await {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(io::Error::other("it is not ready after a minute").into())
    }

    /// Asks it to stop, and waits for its end: how long that took.
    ///
    /// # Errors
    /// [`TargetError::Process`]: it does not end within a minute, or not well.
    pub async fn stop(mut self) -> Result<Duration, TargetError> {
        let asked = Instant::now();
        Process(self.pid).signal("TERM");
        let ended = tokio::time::timeout(END_MAX, self.child.wait()).await;
        let status = ended.map_err(|_elapsed| io::Error::other("it does not end"))??;
        let took = asked.elapsed();
        if status.success() {
            return Ok(took);
        }
        Err(io::Error::other(format!("it ended badly: {status}")).into())
    }
}

/// `NAME=value`, or `NAME='value'`.
fn variable(line: &str) -> Option<(String, String)> {
    let (name, value) = line.trim_start_matches("export ").split_once('=')?;
    Some((name.to_owned(), value.trim_matches('\'').to_owned()))
}

/// Whether `/readyz` answers 200.
async fn answers(admin: SocketAddr) -> bool {
    let text = ask(admin, "/readyz").await;
    text.is_ok_and(|text| text.starts_with("HTTP/1.1 200"))
}

/// The whole answer to a GET.
pub(super) async fn ask(admin: SocketAddr, path: &str) -> io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_environment_may_have_quotes() {
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));

        assert_eq!(variable("A__B=1"), pair("A__B", "1"));
        assert_eq!(variable("export A='x=y'"), pair("A", "x=y"));
        assert_eq!(variable("# nothing"), None);
    }
}
