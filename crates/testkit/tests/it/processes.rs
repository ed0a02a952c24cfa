use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tradepost_testkit::{Process, eventually};

const SOON: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Process {
    Process::builder("/bin/sh")
        .arg("-c")
        .arg(script)
        .env("GREETING", "hello")
        .spawn()
}

#[tokio::test]
async fn a_process_gets_its_environment_and_its_output_is_kept() {
    let mut process = shell("echo \"$GREETING\"; echo failing >&2; exit 3");

    let status = process.wait(SOON).await;

    assert_eq!(status.code(), Some(3));
    assert_eq!(process.log(), "hello\nfailing\n");
}

#[tokio::test]
async fn sigterm_lets_a_process_end_in_order() {
    let mut process =
        shell("trap 'exit 7' TERM; echo up; while :; do read -t 1 x || sleep 0.02; done");
    eventually("the trap", SOON, async || {
        process.log().contains("up").then_some(())
    })
    .await;

    process.terminate();
    let status = process.wait(SOON).await;

    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn a_killed_process_has_no_exit_code() {
    let mut process = shell("exec sleep 60");

    process.kill();
    let status = process.wait(SOON).await;

    assert_eq!(status.signal(), Some(9));
}

#[tokio::test]
async fn a_process_is_ready_when_its_admin_port_says_so() {
    let (listener, address) = admin().await;
    let asked = Arc::<AtomicU32>::default();
    let count = Arc::clone(&asked);
    tokio::task::spawn(async move {
        let statuses = ["503 Service Unavailable"].into_iter();
        for status in statuses.chain(std::iter::repeat("200 OK")) {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = format!("HTTP/1.1 {status}\r\n\r\n");
            // Who asked waits a second at most, and asks again.
            let _gone = stream.write_all(answer.as_bytes()).await;
            count.fetch_add(1, Ordering::SeqCst);
        }
    });

    shell("exec sleep 60").ready(address, SOON).await;

    assert!(asked.load(Ordering::SeqCst) >= 2);
}

async fn admin() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}
