//! A whole process, from the command line to the exit code. It is `examples/echo.rs`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

const EXIT_IMPATIENT: i32 = 130;

fn echo(variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    // Cargo builds examples with the tests, beside the directory the tests are in.
    let test = std::env::current_exe().expect("this test has a path");
    let target = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target/debug/deps/it");
    let mut command = Command::new(target.join("examples").join("echo"));
    command
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("TRADEPOST_ECHO__SERVER__LISTEN_ADDR", "127.0.0.1:0")
        .env("TRADEPOST_ECHO__SERVER__ADMIN_ADDR", "127.0.0.1:0")
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (key, value) in variables {
        command.env(format!("TRADEPOST_ECHO__{key}"), value);
    }
    command
}

fn output(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    echo(variables, arguments)
        .output()
        .expect("the example is built with the tests")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A serving process; killed if the test fails.
struct Serving {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Serving {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut child = echo(variables, &[])
            .spawn()
            .expect("the example is built with the tests");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut serving = Self { child, log };
        serving.wait_for("process.started");
        serving
    }

    fn wait_for(&mut self, event: &str) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.log.read_line(&mut line).expect("the log is text");
            assert_ne!(read, 0, "the log ended before {event}");
            let entry: Value = serde_json::from_str(&line).expect("a line is JSON");
            if entry["event"] == event {
                return entry;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill exists").success());
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("the log is text");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_faulty_configuration_exits_with_two_and_lists_everything() {
    let output = output(&[("TIMES", "10"), ("TYPO", "1")], &[]);

    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for key in ["token: is required", "typo: is no known key", "times: "] {
        assert!(said.contains(key), "{key} in {said}");
    }
}

#[test]
fn the_configuration_is_printed_with_its_secrets_masked() {
    let output = output(&[("TOKEN", "hunter2"), ("TIMES", "3")], &["--print-config"]);

    let printed: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(output.status.success());
    assert_eq!(printed["token"], "***");
    assert_eq!(printed["times"], 3);
    assert!(!text(&output.stdout).contains("hunter2"));
}

#[test]
fn a_configuration_is_checked_without_serving() {
    assert_eq!(
        output(&[("TOKEN", "t")], &["--check-config"]).status.code(),
        Some(0)
    );
    assert_eq!(output(&[], &["--check-config"]).status.code(), Some(2));
}

#[test]
fn a_command_answers_on_standard_output() {
    let output = output(&[("TOKEN", "t"), ("TIMES", "2")], &["say", "hello"]);

    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "hello\nhello\n");
}

#[test]
fn a_signal_ends_the_process_cleanly() {
    for name in ["-TERM", "-INT"] {
        let mut serving = Serving::start(&[("TOKEN", "t")]);

        serving.signal(name);

        assert_eq!(serving.wait_for("process.stopped")["clean"], true);
        assert_eq!(serving.end().0, Some(0));
    }
}

#[test]
fn a_task_that_never_ends_is_abandoned_and_the_exit_code_tells() {
    let serving = Serving::start(&[
        ("TOKEN", "t"),
        ("STUBBORN", "true"),
        // The others have so long to end, however slow the machine.
        ("SERVER__SHUTDOWN_GRACE_MS", "3000"),
    ]);

    serving.signal("-TERM");

    let (code, said) = serving.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("1 task(s) were abandoned"), "{said}");
}

#[test]
fn a_second_signal_does_not_wait() {
    let mut serving = Serving::start(&[("TOKEN", "t"), ("STUBBORN", "true")]);

    serving.signal("-TERM");
    serving.wait_for("process.stopping");
    serving.signal("-TERM");

    assert_eq!(serving.end().0, Some(EXIT_IMPATIENT));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("it is bound").to_string();

    let output = output(&[("TOKEN", "t"), ("SERVER__LISTEN_ADDR", &addr)], &[]);

    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&format!("server.listen_addr = {addr}")));
}
