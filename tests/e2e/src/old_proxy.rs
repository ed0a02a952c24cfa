//! A proxy that knows no WebSocket: it passes each request on without what is meant for itself, as
//! HTTP wants it, and so without the wish to upgrade.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const OF_THE_HOP: [&str; 2] = ["connection", "upgrade"];

/// A proxy before the gateway.
#[derive(Debug)]
pub(crate) struct OldProxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl OldProxy {
    pub(crate) async fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = upstream.to_owned();
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass_on(client, upstream.clone()));
            }
        });
        Self { address, task }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for OldProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request, and its answer to the end. Who is away is shown by the end of the connection.
async fn pass_on(mut client: TcpStream, upstream: String) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let is_kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !OF_THE_HOP.iter().any(|it| name.eq_ignore_ascii_case(it))
    };
    let kept: Vec<&str> = head.split("\r\n").filter(is_kept).collect();
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(kept.join("\r\n").as_bytes()).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
