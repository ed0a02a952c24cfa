//! A headless Chromium, spoken to by the `DevTools` protocol: it shows a page as a person sees it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex as Lock;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tradepost_testkit::eventually;
use tradepost_types::OrderId;

use crate::SOON;

/// What it is called, by the maker and by distributions.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One page in a browser of its own.
#[derive(Debug)]
pub struct Browser {
    process: Lock<Child>,
    folder: PathBuf,
    page: Mutex<Page>,
}

#[derive(Debug)]
struct Page {
    socket: Socket,
    calls: u64,
}

impl Browser {
    /// Starts a browser with an empty page.
    ///
    /// # Panics
    /// If there is none; `scripts/test` installs one.
    pub async fn open() -> Self {
        let folder = std::env::temp_dir().join(format!("tradepost-browser-{}", OrderId::new()));
        let start = |program| {
            Command::new(program)
                .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
                .args(["--no-first-run", "--disable-dev-shm-usage"])
                .arg("--remote-debugging-port=0")
                .arg(format!("--user-data-dir={}", folder.display()))
                .arg("about:blank")
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
        };
        let started = PROGRAMS.iter().find_map(|program| start(*program).ok());
        let mut process = started.expect("chromium: install it with apt-get install chromium");
        let said = BufReader::new(process.stderr.take().unwrap());
        let address = tokio::task::spawn_blocking(move || address(said)).await;
        let address = address.unwrap();
        let page = page(&address).await;
        let (socket, _answer) = connect_async(page).await.unwrap();
        Self {
            process: Lock::new(process),
            folder,
            page: Mutex::new(Page { socket, calls: 0 }),
        }
    }

    /// Runs a script in each page to come, before those of the page.
    pub async fn prepare(&self, script: &str) {
        self.call("Page.enable", json!({})).await.unwrap();
        let source = json!({"source": script});
        let method = "Page.addScriptToEvaluateOnNewDocument";
        self.call(method, source).await.unwrap();
    }

    /// Goes to a page, even to the one that is shown: the one that was shown is left.
    pub async fn go(&self, url: &str) {
        self.look("window.isLeft = true").await;
        let target = json!({"url": url});
        self.call("Page.navigate", target).await.unwrap();
        self.sees(
            "`${document.readyState} ${location} ${window.isLeft}`",
            format!("complete {url} undefined"),
        )
        .await;
    }

    /// What an expression is in the page; promises are waited for.
    ///
    /// # Panics
    /// If it throws, or the page goes meanwhile.
    pub async fn look(&self, expression: &str) -> Value {
        self.evaluate(expression).await.unwrap()
    }

    /// Waits until an expression is `wanted` in the page. It may throw until then: a page that goes,
    /// or one that comes, has not all of its parts.
    pub async fn sees(&self, expression: &str, wanted: impl Into<Value>) {
        let wanted = wanted.into();
        let what = format!("{expression} = {wanted}");
        eventually(&what, SOON, async || {
            (self.evaluate(expression).await.as_ref() == Ok(&wanted)).then_some(())
        })
        .await;
    }

    async fn evaluate(&self, expression: &str) -> Result<Value, String> {
        let asked = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let answer = self.call("Runtime.evaluate", asked).await?;
        match answer.get("exceptionDetails") {
            None => Ok(answer["result"]["value"].clone()),
            Some(thrown) => Err(format!("{expression}: {thrown}")),
        }
    }

    /// What the browser answers; its error, if it has one.
    async fn call(&self, method: &str, parameters: Value) -> Result<Value, String> {
        let mut page = self.page.lock().await;
        page.calls += 1;
        let id = page.calls;
        let call = json!({"id": id, "method": method, "params": parameters}).to_string();
        page.socket.send(Message::text(call)).await.unwrap();
        loop {
            let message = page.socket.next().await.expect("a browser").unwrap();
            let Message::Text(text) = message else {
                continue;
            };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            // Events come between.
            if answer["id"] == id {
                return match answer.get("error") {
                    None => Ok(answer["result"].take()),
                    Some(error) => Err(format!("{method}: {error}")),
                };
            }
        }
    }
}

/// Where the browser listens, as it says on standard error; the rest of that is read and dropped.
fn address(mut said: BufReader<impl std::io::Read + Send + 'static>) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        let read = said.read_line(&mut line).unwrap();
        assert!(read > 0, "the browser ended before it listened");
        if let Some((_, url)) = line.split_once("listening on ws://") {
            let address = url.split('/').next().unwrap().to_owned();
            // Else it would wait for room some day.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return address;
        }
    }
}

/// The socket of its first page.
async fn page(address: &str) -> String {
    let url = format!("http://{address}/json/list");
    eventually("a page", SOON, async || {
        let pages: Value = reqwest::get(&url).await.ok()?.json().await.ok()?;
        let page = pages.as_array()?.iter().find(|it| it["type"] == "page")?;
        page["webSocketDebuggerUrl"].as_str().map(str::to_owned)
    })
    .await
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself, and its folder is in the temporary one.
        let process = self.process.get_mut().unwrap();
        let _best_effort = process.kill();
        let _best_effort = process.wait();
        let _best_effort = std::fs::remove_dir_all(&self.folder);
    }
}
