//! An endpoint: an HTTP server that answers as it is told and notes what it got.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) head: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

/// What it answers with.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// This status, with further header lines.
    Status(u16, String),
    /// 200 with a body of so many bytes.
    Long(usize),
    /// The head of an answer, and then nothing.
    Half,
    /// Nothing, for ever.
    Hang,
}

impl Reply {
    pub(crate) fn status(code: u16) -> Self {
        Self::Status(code, String::new())
    }
}

#[derive(Debug, Default)]
struct State {
    got: Vec<Got>,
    open: usize,
    open_most: usize,
}

/// The server; it ends with the value.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    reply: Arc<Mutex<Reply>>,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let reply = Arc::new(Mutex::new(reply));
        let state = Arc::new(Mutex::new(State::default()));
        let (replies, states) = (reply.clone(), state.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, replies.clone(), states.clone()));
            }
        });
        Self {
            address,
            reply,
            state,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    /// The most requests that were under way at once.
    pub(crate) fn open_most(&self) -> usize {
        self.state.lock().unwrap().open_most
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self
            .got()
            .iter()
            .map(|got| got.headers["webhook-id"].clone())
            .collect();
        ids.sort();
        ids
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, reply: Arc<Mutex<Reply>>, state: Arc<Mutex<State>>) {
    let Some(got) = read(&mut stream).await else {
        return;
    };
    {
        let mut state = state.lock().unwrap();
        state.got.push(got);
        state.open += 1;
        state.open_most = state.open_most.max(state.open);
    }
    let reply = reply.lock().unwrap().clone();
    let text = match reply {
        Reply::Status(code, ref headers) => {
            format!("HTTP/1.1 {code} X\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n")
        }
        Reply::Long(bytes) => format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n{}",
            "x".repeat(bytes)
        ),
        Reply::Half => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".to_owned(),
        Reply::Hang => String::new(),
    };
    let _ = stream.write_all(text.as_bytes()).await;
    if matches!(reply, Reply::Half | Reply::Hang) {
        // Until the other side gives up.
        let _ = stream.read(&mut [0; 1]).await;
    }
    state.lock().unwrap().open -= 1;
}

async fn read(stream: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = text.lines();
    let head = lines.next().unwrap().to_owned();
    let headers: HashMap<String, String> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(body).unwrap();
    Some(Got {
        head,
        headers,
        body,
    })
}
