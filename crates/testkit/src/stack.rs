//! Where the backing services are: given by environment, or a stack that we start.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use url::Url;

/// The addresses of the shared servers.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    /// Superuser's URL of the maintenance database.
    pub(crate) postgres: Url,
    pub(crate) amqp: Url,
}

/// The servers shared by all tests; started if they are not running.
pub(crate) fn shared() -> &'static Stack {
    static SHARED: OnceLock<Stack> = OnceLock::new();
    SHARED.get_or_init(|| {
        let postgres = from_environment("TRADEPOST_TEST_POSTGRES_URL");
        let amqp = from_environment("TRADEPOST_TEST_AMQP_URL");
        match (postgres, amqp) {
            (Some(postgres), Some(amqp)) => Stack { postgres, amqp },
            (postgres, amqp) => {
                let started = start_shared();
                Stack {
                    postgres: postgres.unwrap_or(started.postgres),
                    amqp: amqp.unwrap_or(started.amqp),
                }
            }
        }
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test's configuration is its environment"
)]
fn from_environment(name: &str) -> Option<Url> {
    let text = std::env::var(name).ok()?;
    match Url::parse(&text) {
        Ok(url) => Some(url),
        Err(error) => panic!("{name} is not a URL: {error}"),
    }
}

fn start_shared() -> Stack {
    let dir = target_dir().join("testkit-stack");
    if let Some(stack) = running(&dir) {
        return stack;
    }
    // The script takes a lock, so that of many test processes one starts and the others wait.
    script(&dir, &["start", "--only", "postgres,rabbitmq"]);
    running(&dir).unwrap_or_else(|| panic!("the stack in {} does not answer", dir.display()))
}

/// The stack in `dir`, if both servers accept connections.
fn running(dir: &Path) -> Option<Stack> {
    let stack = Stack {
        postgres: url_in(dir, "POSTGRES_URL")?,
        amqp: url_in(dir, "AMQP_URL")?,
    };
    (accepts(&stack.postgres) && accepts(&stack.amqp)).then_some(stack)
}

/// A URL out of the stack's environment file.
pub(crate) fn url_in(dir: &Path, name: &str) -> Option<Url> {
    let file = fs::read_to_string(dir.join("env")).ok()?;
    let value = file
        .lines()
        .find_map(|line| line.strip_prefix(&format!("export {name}=")))?;
    Url::parse(value.trim_matches('\'')).ok()
}

fn accepts(url: &Url) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], url.port().unwrap_or_default()));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

/// Runs `scripts/stack` for the stack in `dir`; its options go before `--`.
pub(crate) fn script(dir: &Path, arguments: &[&str]) {
    let script = repository().join("scripts/stack");
    let (command, rest) = arguments.split_first().unwrap_or((&"status", &[]));
    let output = Command::new(&script)
        .arg(command)
        .arg("--dir")
        .arg(dir)
        .args(rest)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!(
            "scripts/stack {arguments:?} failed:\n{}\nTests need PostgreSQL, RabbitMQ and Redis: \
             install the packages postgresql, rabbitmq-server and redis-server, start a Docker engine where there is no \
             apt-get, or set TRADEPOST_TEST_POSTGRES_URL (a superuser's) and TRADEPOST_TEST_AMQP_URL.",
            String::from_utf8_lossy(&output.stderr),
        ),
        Err(error) => panic!("cannot run {}: {error}", script.display()),
    }
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The target directory that the running test binary was built into.
pub(crate) fn target_dir() -> PathBuf {
    let binary = std::env::current_exe().unwrap_or_default();
    binary
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .map_or_else(|| repository().join("target"), Path::to_path_buf)
}
