//! A mail server of somebody else: it speaks SMTP, does as it is told, and notes what it got.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A mail, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Without the stuffed dots.
    pub(crate) mail: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> String {
        let head = self.mail.split_once("\r\n\r\n").unwrap().0;
        let wanted = format!("{name}: ");
        let line = head.lines().find_map(|line| line.strip_prefix(&wanted));
        line.unwrap_or_else(|| panic!("{name} is missing: {head}"))
            .to_owned()
    }

    pub(crate) fn body(&self) -> &str {
        self.mail.split_once("\r\n\r\n").unwrap().1
    }
}

/// How it behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Manner {
    /// It takes everything.
    Good,
    /// It answers commands that begin so with this line; "." is the end of a mail.
    Says(&'static str, &'static str),
    /// It never answers commands that begin so.
    Hangs(&'static str),
    /// It takes the mail and closes the connection without a word.
    Drops,
}

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doors {
    Plain,
    StartTls,
    Implicit,
}

#[derive(Debug, Default)]
struct State {
    got: Vec<Got>,
    lines: Vec<String>,
    connections: usize,
}

#[derive(Clone)]
struct Shared {
    manner: Arc<Mutex<Manner>>,
    state: Arc<Mutex<State>>,
    tls: TlsAcceptor,
    doors: Doors,
}

/// The server; it ends with the value.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    /// Its certificate, for "localhost".
    pub(crate) pem: String,
    shared: Shared,
    task: JoinHandle<()>,
}

impl MailServer {
    pub(crate) async fn start(doors: Doors) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared {
            manner: Arc::new(Mutex::new(Manner::Good)),
            state: Arc::default(),
            tls: TlsAcceptor::from(Arc::new(config)),
            doors,
        };
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = serving.clone();
                tokio::spawn(async move {
                    shared.state.lock().unwrap().connections += 1;
                    if doors == Doors::Implicit {
                        if let Ok(stream) = shared.tls.accept(stream).await {
                            talk(BufReader::new(stream), &shared, true).await;
                        }
                    } else if let Some(plain) = talk(BufReader::new(stream), &shared, false).await
                        && let Ok(stream) = shared.tls.accept(plain.into_inner()).await
                    {
                        talk(BufReader::new(stream), &shared, true).await;
                    }
                });
            }
        });
        Self {
            port,
            pem: made.cert.pem(),
            shared,
            task,
        }
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// The mails it has, in the order in which they came.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.state.lock().unwrap().got.clone()
    }

    /// All that was said to it, but for mails.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().lines.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.state.lock().unwrap().connections
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// What it says to a command; none: nothing, for ever.
    fn reply(&self, line: &str, is_secure: bool) -> Option<String> {
        match *self.manner.lock().unwrap() {
            Manner::Says(to, reply) if line.starts_with(to) => return Some(reply.to_owned()),
            Manner::Hangs(at) if line.starts_with(at) => return None,
            Manner::Good | Manner::Says(..) | Manner::Hangs(_) | Manner::Drops => {}
        }
        let verb = line.split(' ').next().unwrap();
        let reply = match verb {
            "EHLO" if self.doors == Doors::StartTls && !is_secure => {
                "250-mail.example\r\n250 STARTTLS"
            }
            "EHLO" => "250-mail.example\r\n250 AUTH PLAIN LOGIN",
            "STARTTLS" => "220 go ahead",
            "AUTH" => "235 2.7.0 welcome",
            "DATA" => "354 go ahead",
            "QUIT" => "221 bye",
            _ => "250 2.0.0 fine",
        };
        Some(reply.to_owned())
    }
}

/// Until the other side goes, or wants TLS: then the stream comes back.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    shared: &Shared,
    is_secure: bool,
) -> Option<BufReader<S>> {
    let after_starttls = is_secure && shared.doors == Doors::StartTls;
    if !after_starttls {
        say(&mut stream, "220 mail.example").await?;
    }
    let (mut from, mut to) = (String::new(), String::new());
    loop {
        let line = hear(&mut stream).await?;
        shared.state.lock().unwrap().lines.push(line.clone());
        let Some(reply) = shared.reply(&line, is_secure) else {
            // Until the other side gives up.
            let _ = hear(&mut stream).await;
            return None;
        };
        say(&mut stream, &reply).await?;
        if line == "STARTTLS" && reply.starts_with("220") {
            return Some(stream);
        }
        if let Some(address) = line.strip_prefix("MAIL FROM:") {
            address.clone_into(&mut from);
        }
        if let Some(address) = line.strip_prefix("RCPT TO:") {
            address.clone_into(&mut to);
        }
        if line == "DATA" && reply.starts_with("354") {
            let mail = mail(&mut stream).await?;
            if let Manner::Drops = *shared.manner.lock().unwrap() {
                let (from, to) = (from.clone(), to.clone());
                shared
                    .state
                    .lock()
                    .unwrap()
                    .got
                    .push(Got { from, to, mail });
                return None;
            }
            let reply = shared.reply(".", is_secure)?;
            if reply.starts_with('2') {
                let (from, to) = (from.clone(), to.clone());
                shared
                    .state
                    .lock()
                    .unwrap()
                    .got
                    .push(Got { from, to, mail });
            }
            say(&mut stream, &reply).await?;
        }
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> Option<()> {
    let text = format!("{text}\r\n");
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn hear<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end_matches("\r\n").to_owned())
}

async fn mail<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut lines = Vec::new();
    loop {
        let line = hear(stream).await?;
        if line == "." {
            return Some(lines.join("\r\n"));
        }
        let stuffed = line.strip_prefix('.').map(ToOwned::to_owned);
        lines.push(stuffed.unwrap_or(line));
    }
}
