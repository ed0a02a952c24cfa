use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tradepost_testkit::{Fault, FaultProxy, eventually};

const SOON: Duration = Duration::from_secs(30);
/// Long enough to tell "nothing comes" from "it is a little late".
const SILENCE: Duration = Duration::from_millis(100);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::task::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::task::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn without_a_fault_bytes_pass_both_ways() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();

    let long = "0123456789abcdef".repeat(20_000);
    let (mut from, mut to) = stream.split();
    let mut answer = vec![0; long.len()];
    let (sent, read) = tokio::join!(to.write_all(long.as_bytes()), from.read_exact(&mut answer));

    sent.unwrap();
    read.unwrap();
    assert_eq!(answer, long.as_bytes());
}

#[tokio::test]
async fn the_end_of_the_client_reaches_the_server_and_its_last_answer_comes_back() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();

    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert_eq!(answer, "last words");
}

#[tokio::test]
async fn latency_delays_each_direction() {
    let proxy = FaultProxy::start(echo().await).await;
    proxy.set(Fault::Latency(Duration::from_millis(40)));
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();

    let began = Instant::now();
    let answer = ask(&mut stream, "hello").await.unwrap();

    assert_eq!(answer, "hello");
    assert!(
        began.elapsed() >= Duration::from_millis(80),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_blackhole_holds_bytes_back_until_it_is_lifted() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    ask(&mut stream, "before").await.unwrap();

    proxy.set(Fault::Blackhole);
    let silent = timeout(SILENCE, ask(&mut stream, "during")).await;
    proxy.set(Fault::None);
    let mut late = [0; 6];
    timeout(SOON, stream.read_exact(&mut late))
        .await
        .unwrap()
        .unwrap();

    assert!(silent.is_err(), "an answer came through the blackhole");
    assert_eq!(&late, b"during");
}

#[tokio::test]
async fn a_refusing_proxy_closes_its_port_and_opens_it_again() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    ask(&mut old, "before").await.unwrap();

    proxy.set(Fault::Refuse);
    let refused = eventually("a refused connection", SOON, async || {
        // Until the port is closed, a connection may be accepted and die at once.
        let error = TcpStream::connect(proxy.addr()).await.err()?;
        (error.kind() == ErrorKind::ConnectionRefused).then_some(error)
    })
    .await;
    let still = ask(&mut old, "still").await.unwrap();
    proxy.set(Fault::None);
    eventually("an accepted connection", SOON, async || {
        TcpStream::connect(proxy.addr()).await.ok()
    })
    .await;

    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(still, "still");
}

#[tokio::test]
async fn a_cut_resets_old_connections_and_lets_new_ones_through() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    ask(&mut old, "before").await.unwrap();

    proxy.cut();
    let error = timeout(SOON, old.read_u8()).await.unwrap().unwrap_err();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    let answer = ask(&mut new, "after").await.unwrap();

    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(answer, "after");
}

#[tokio::test]
async fn a_resetting_proxy_resets_old_and_new_connections() {
    let proxy = FaultProxy::start(echo().await).await;
    let mut old = TcpStream::connect(proxy.addr()).await.unwrap();
    ask(&mut old, "before").await.unwrap();

    proxy.set(Fault::Reset);
    let old_error = timeout(SOON, old.read_u8()).await.unwrap().unwrap_err();
    let mut new = TcpStream::connect(proxy.addr()).await.unwrap();
    let new_error = timeout(SOON, new.read_u8()).await.unwrap().unwrap_err();

    assert_eq!(old_error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(new_error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes() {
    let proxy = FaultProxy::start(echo().await).await;
    proxy.set(Fault::CutAfterBytes(10));
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();

    let below = ask(&mut stream, "12345").await.unwrap();
    let beyond = timeout(SOON, ask(&mut stream, "67890")).await.unwrap();

    assert_eq!(below, "12345");
    assert_eq!(beyond.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_request_that_is_torn_in_two_is_still_recognised_and_reaches_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap()).await;
    proxy.set(Fault::CutAfterRequest(b"commit"));
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();

    stream.write_all(b"com").await.unwrap();
    let mut first = [0; 3];
    server.read_exact(&mut first).await.unwrap();
    stream.write_all(b"mit;").await.unwrap();
    let mut rest = [0; 4];
    server.read_exact(&mut rest).await.unwrap();
    let error = timeout(SOON, stream.read_u8()).await.unwrap().unwrap_err();

    assert_eq!((&first, &rest), (b"com", b"mit;"));
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
