//! `scripts/stack` where there is no apt-get: the servers are containers of `deploy/compose.yaml`.
//!
//! What the script asks of Docker is looked at with an engine of paper, on any machine. One test
//! asks a real engine, if one answers that has the images; it says so if not.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;
use uuid::Uuid;

const COMPOSE: &str = include_str!("../../../../deploy/compose.yaml");

/// Writes down what it is asked, and remembers which parts run. A file beside it makes an engine that
/// is not there (`down`), has no Compose (`plain`), no images (`bare`), or cannot have a port (`taken`).
const ENGINE_OF_PAPER: &str = r#"#!/usr/bin/env bash
here=$(dirname "$0")
echo "$*" >>"$here/calls"
case $1 in
    info) [[ ! -e $here/down ]]; exit ;;
    inspect) echo healthy; exit ;;
    image) [[ ! -e $here/bare ]]; exit ;;
    volume) exit ;;
esac
if [[ $2 == version ]]; then
    [[ ! -e $here/plain ]]
    exit
fi
# compose --project-name NAME --env-file FILE --file FILE VERB ...
running=$here/$3 verb=$8
shift 8
for last in "$@"; do :; done
case $verb in
    config) echo "$last:1" ;;
    pull) [[ ! -e $here/bare ]] || { echo "no such host" >&2; exit 1; } ;;
    ps) [[ ! -e $running-$last ]] || echo "$last" ;;
    stop | kill) rm -f "$running-$last" ;;
    up)
        if [[ -e $here/taken ]]; then
            echo "Container $last Starting"
            echo "Bind for 127.0.0.1:20001 failed: port is already allocated" >&2
            exit 1
        fi
        for part in "${@:3}"; do touch "$running-$part"; done
        ;;
esac
"#;

/// A machine without apt-get, and a directory for a stack; both are removed on drop.
struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Docker is an engine of paper here.
    fn with_paper() -> Self {
        let machine = Self::new();
        let docker = machine.root.join("bin/docker");
        fs::write(&docker, ENGINE_OF_PAPER).unwrap();
        fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
        machine
    }

    /// Docker is the one of the real machine.
    fn with_engine() -> Self {
        let machine = Self::new();
        let real = programs().find(|path| path.ends_with("docker")).unwrap();
        symlink(real, machine.root.join("bin/docker")).unwrap();
        machine
    }

    fn new() -> Self {
        let name = format!("machine-{}", Uuid::now_v7().simple());
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let bin = root.join("bin");
        fs::create_dir_all(&bin).unwrap();
        for program in programs() {
            let name = program.file_name().unwrap();
            if name != "apt-get" && name != "docker" {
                // The first on the path counts, as for a shell.
                let _taken = symlink(&program, bin.join(name));
            }
        }
        Self { root }
    }

    fn dir(&self, stack: &str) -> PathBuf {
        self.root.join(stack)
    }

    fn run(&self, stack: &str, arguments: &[&str]) -> Output {
        let (command, rest) = arguments.split_first().unwrap();
        Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/stack"))
            .arg(command)
            .arg("--dir")
            .arg(self.dir(stack))
            .args(rest)
            .env("PATH", self.root.join("bin"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What the script printed on standard output, if it went well.
    fn succeed(&self, stack: &str, arguments: &[&str]) -> String {
        let output = self.run(stack, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the script said of its failure.
    fn fail(&self, stack: &str, arguments: &[&str]) -> String {
        let output = self.run(stack, arguments);
        assert!(!output.status.success(), "{arguments:?} went well");
        String::from_utf8(output.stderr).unwrap()
    }

    fn lay(&self, file: &str) -> PathBuf {
        let path = self.root.join("bin").join(file);
        fs::write(&path, "").unwrap();
        path
    }

    /// The calls of Docker since the last look, each from its verb on.
    fn calls(&self) -> Vec<String> {
        let file = self.root.join("bin/calls");
        let calls = fs::read_to_string(&file).unwrap();
        fs::write(&file, "").unwrap();
        calls
            .lines()
            .map(|call| match call.split_once("compose.yaml ") {
                Some((_, verb)) => verb.to_owned(),
                None => call.to_owned(),
            })
            .collect()
    }

    fn url(&self, stack: &str, name: &str) -> Url {
        let environment = self.succeed(stack, &["env"]);
        let prefix = format!("export {name}='");
        let url = environment
            .lines()
            .find_map(|line| line.strip_prefix(&prefix)?.strip_suffix('\''));
        Url::parse(url.unwrap()).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A start that chose wrongly has started servers of this machine.
        for stack in ["stack", "other"] {
            let _best_effort = self.run(stack, &["stop", "--wipe", "--immediate"]);
        }
        let _best_effort = fs::remove_dir_all(&self.root);
    }
}

fn programs() -> impl Iterator<Item = PathBuf> {
    let path: OsString = env::var_os("PATH").unwrap();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
}

#[test]
fn without_apt_get_the_servers_are_containers() {
    let machine = Machine::with_paper();

    machine.succeed("stack", &["start"]);
    let first = machine.calls();
    machine.succeed("stack", &["start"]);
    let second = machine.calls();

    let up = "up --detach --wait postgres rabbitmq redis";
    assert_eq!(first.iter().filter(|call| *call == up).count(), 1);
    assert!(!second.iter().any(|call| call.starts_with("up ")));
    let settings = machine.dir("stack").join("compose.env");
    let mode = fs::metadata(&settings).unwrap().permissions().mode();
    let settings = fs::read_to_string(settings).unwrap();
    assert_eq!(mode & 0o777, 0o600);
    for (url, part) in [
        ("POSTGRES_URL", "POSTGRES"),
        ("AMQP_URL", "RABBITMQ"),
        ("REDIS_URL", "REDIS"),
    ] {
        let url = machine.url("stack", url);
        let port = format!("TRADEPOST_STACK_{part}_PORT={}\n", url.port().unwrap());
        let password = format!("TRADEPOST_STACK_PASSWORD={}\n", url.password().unwrap());
        assert!(settings.contains(&port), "{part}");
        assert!(settings.contains(&password), "{part}");
    }
}

#[test]
fn the_compose_file_asks_for_nothing_that_the_script_does_not_give() {
    let machine = Machine::with_paper();

    machine.succeed("stack", &["start"]);

    let given = fs::read_to_string(machine.dir("stack").join("compose.env")).unwrap();
    let mut given: Vec<&str> = given
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    let mut asked: Vec<&str> = COMPOSE
        .split("${")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(":?}")?.0))
        .collect();
    given.sort_unstable();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked, given);
}

#[test]
fn two_stacks_are_two_projects_with_ports_of_their_own() {
    let machine = Machine::with_paper();

    machine.succeed("stack", &["start", "--only", "redis"]);
    machine.succeed("stack", &["stop", "--only", "redis"]);
    machine.succeed("other", &["start", "--only", "redis"]);

    let calls = fs::read_to_string(machine.root.join("bin/calls")).unwrap();
    let mut projects: Vec<&str> = calls
        .lines()
        .filter_map(|call| call.split_once("--project-name ")?.1.split(' ').next())
        .collect();
    projects.sort_unstable();
    projects.dedup();
    assert_eq!(projects.len(), 2, "{projects:?}");
    assert_ne!(
        machine.url("stack", "REDIS_URL").port(),
        machine.url("other", "REDIS_URL").port()
    );
}

#[test]
fn a_stop_keeps_the_data_unless_it_is_told_to_wipe() {
    let machine = Machine::with_paper();
    machine.succeed("stack", &["start"]);
    machine.calls();

    machine.succeed("stack", &["stop", "--only", "postgres"]);
    let stopped = machine.calls();
    machine.succeed("stack", &["stop", "--immediate", "--wipe"]);
    let wiped = machine.calls();

    let removes = |calls: &[String], part: &str| {
        let volume = format!("_{part}");
        calls
            .iter()
            .any(|call| call.starts_with("volume rm") && call.ends_with(&volume))
    };
    assert!(stopped.contains(&"stop postgres".to_owned()));
    assert!(!removes(&stopped, "postgres"));
    assert!(wiped.contains(&"kill rabbitmq".to_owned()));
    assert!(removes(&wiped, "postgres") && removes(&wiped, "rabbitmq"));
    assert!(!machine.dir("stack").exists());
}

#[test]
fn what_is_amiss_with_the_engine_is_said() {
    let machine = Machine::with_paper();
    machine.succeed("stack", &["start", "--only", "postgres"]);

    let down = machine.lay("down");
    let without_engine = machine.fail("stack", &["status"]);
    fs::remove_file(down).unwrap();
    let plain = machine.lay("plain");
    let without_compose = machine.fail("stack", &["stop"]);
    fs::remove_file(plain).unwrap();
    let bare = machine.lay("bare");
    let without_image = machine.fail("stack", &["start"]);
    fs::remove_file(bare).unwrap();
    machine.lay("taken");
    let without_port = machine.fail("stack", &["start"]);

    assert!(
        without_engine.contains("engine does not answer"),
        "{without_engine}"
    );
    assert!(
        without_compose.contains("Compose plugin is missing"),
        "{without_compose}"
    );
    assert!(without_image.contains("fetching the image rabbitmq:1"));
    assert!(without_image.contains("no such host"), "{without_image}");
    assert!(
        without_port.contains("20001 failed: port is already allocated"),
        "{without_port}"
    );
}

/// Whether an engine answers that needs no network for the images.
fn has_images() -> bool {
    COMPOSE
        .lines()
        .filter_map(|line| line.trim().strip_prefix("image: "))
        .all(|image| {
            Command::new("docker")
                .args(["image", "inspect", image])
                .output()
                .is_ok_and(|output| output.status.success())
        })
}

#[tokio::test]
async fn a_real_engine_runs_the_servers_with_our_settings_and_keeps_their_data() {
    if !has_images() {
        println!("NOT TESTED: no Docker engine here that has the images of deploy/compose.yaml");
        return;
    }
    let machine = Machine::with_engine();
    machine.succeed("stack", &["start"]);
    let postgres = machine.url("stack", "POSTGRES_URL");
    let mut conn = PgConnection::connect(postgres.as_str()).await.unwrap();
    let buffers: String = sqlx::query_scalar("show shared_buffers")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    sqlx::raw_sql("create table kept (id int); insert into kept values (7)")
        .execute(&mut conn)
        .await
        .unwrap();
    let redis = ask_redis(&machine, "CONFIG GET maxmemory-policy").await;
    let users = machine.succeed("stack", &["rabbitmqctl", "--", "--quiet", "list_users"]);

    machine.succeed("stack", &["stop", "--immediate"]);
    let stopped = PgConnection::connect(postgres.as_str()).await;
    machine.succeed("stack", &["start"]);
    let postgres = machine.url("stack", "POSTGRES_URL");
    let kept: i32 = sqlx::query_scalar("select id from kept")
        .fetch_one(&mut PgConnection::connect(postgres.as_str()).await.unwrap())
        .await
        .unwrap();

    assert_eq!(buffers, "256MB");
    assert!(redis.contains("allkeys-lru"), "{redis}");
    assert!(users.contains("tradepost"), "{users}");
    assert!(stopped.is_err(), "a stopped server answered");
    assert_eq!(kept, 7);
}

/// Logs in, asks, and says what was answered to both.
async fn ask_redis(machine: &Machine, question: &str) -> String {
    let url = machine.url("stack", "REDIS_URL");
    let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap()))
        .await
        .unwrap();
    let asked = format!("AUTH {}\r\n{question}\r\nQUIT\r\n", url.password().unwrap());
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
