//! Several nodes, and more clients than one process may have sockets: they are in processes of their
//! own, which write what they hear to the one that sends.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::oneshot;

use super::clients::Clients;
use super::parts::latencies;
use super::senders::{Caller, Kind, Senders};
use super::{Load, Node, Origin, until};
use crate::bench::report::{Rows, Unit};
use crate::bench::target::TargetError;
use crate::samples::Samples;

/// How long all may take to be welcomed, and one broadcast to be everywhere.
const WELCOME_MAX: Duration = Duration::from_secs(300);
const ARRIVE_MAX: Duration = Duration::from_secs(30);
/// For as long a herd listens at most.
const HERD_MAX: Duration = Duration::from_secs(1_800);

/// Clients of one process.
#[derive(Debug)]
pub struct Share {
    /// Where they connect to, in turn.
    pub nodes: Vec<SocketAddr>,
    /// The number of the first.
    pub first: usize,
    /// How many.
    pub count: usize,
}

/// The process of a share of the clients, and what it says.
#[derive(Debug)]
pub struct Herd {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    count: usize,
}

impl Herd {
    /// Starts it. It ends with this one's end, or when it is dropped.
    ///
    /// # Errors
    /// [`TargetError::Process`].
    pub fn start(mut command: Command, count: usize) -> Result<Self, TargetError> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take();
        let stdout = stdout.ok_or_else(|| std::io::Error::other("no output"))?;
        Ok(Self {
            child,
            said: BufReader::new(stdout).lines(),
            count,
        })
    }

    async fn line(&mut self, max: Duration) -> Result<String, TargetError> {
        let line = tokio::time::timeout(max, self.said.next_line()).await;
        let line = line.map_err(|_elapsed| wrong("a process of clients says nothing"))??;
        line.ok_or_else(|| wrong("a process of clients has ended"))
    }

    /// What all its clients heard of one broadcast, and how many faults there were so far.
    async fn heard(&mut self) -> Result<(Vec<Duration>, u64), TargetError> {
        let line = self.line(ARRIVE_MAX).await?;
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let faults = numbers.next().and_then(Result::ok);
        let delays: Result<Vec<_>, _> = numbers.map(|us| us.map(Duration::from_micros)).collect();
        match (faults, delays) {
            (Some(faults), Ok(delays)) => Ok((delays, faults)),
            (None, _) | (_, Err(_)) => Err(wrong("a process of clients says what is no figure")),
        }
    }
}

fn wrong(why: &str) -> TargetError {
    TargetError::Wrong(why.to_owned())
}

/// Broadcasts to the clients of all herds, one after the other.
///
/// # Errors
/// [`TargetError`].
pub async fn cluster(
    (first, others): (&Node, &[Node]),
    (caller, load): (&Caller, &Load),
    start: impl FnOnce() -> Result<Vec<Herd>, TargetError>,
) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let senders = Senders::connect(&first.server, caller, Origin::now()).await?;
    senders.gather(load.clients).await?;
    let name = format!("{} clients of {} nodes", load.clients, others.len() + 1);
    let started = Instant::now();
    let mut herds = start()?;
    for herd in &mut herds {
        herd.line(WELCOME_MAX).await?;
    }
    let took = started.elapsed().as_secs_f64();
    rows.median(
        &format!("{name}: all are welcome after"),
        took,
        Unit::Seconds,
    );
    let (mut each, mut last, mut faults, mut lost) = (Samples::default(), Samples::default(), 0, 0);
    for _ in 0..load.broadcasts {
        senders.broadcast(Kind::Durable).await?;
        let (mut slowest, mut of_all) = (Duration::ZERO, 0);
        for herd in &mut herds {
            let (delays, found) = herd.heard().await?;
            lost += herd.count.saturating_sub(delays.len());
            of_all += found;
            for delay in delays {
                slowest = slowest.max(delay);
                each.push(delay);
            }
        }
        faults = of_all;
        last.push(slowest);
    }
    latencies(&mut rows, &format!("{name}: each has it"), &each);
    latencies(&mut rows, &format!("{name}: the last has it"), &last);
    rows.worst(&format!("{name}: not delivered"), lost as f64, Unit::Events);
    let what = format!("{name}: skipped, refused resumes, ended");
    rows.worst(&what, faults as f64, Unit::Events);
    let nodes = others.iter().chain([first]);
    let memory: Option<f64> = nodes.map(|node| node.process().megabytes()).sum();
    rows.median(
        &format!("{name}: resident, all nodes"),
        memory,
        Unit::Megabytes,
    );
    for mut herd in herds {
        // The end of its input is its end.
        herd.child.stdin = None;
        let _ended = tokio::time::timeout(ARRIVE_MAX, herd.child.wait()).await;
    }
    Ok(rows)
}

/// A share of the clients: says when all are welcome, and what each heard of every broadcast, until
/// its input ends.
///
/// # Errors
/// [`TargetError`].
pub async fn herd(caller: &Caller, share: &Share) -> Result<(), TargetError> {
    let mut clients = Clients::numbered(share.first, share.count, Origin::now());
    let listening = async {
        clients.connect(&share.nodes, caller).await?;
        say("welcome")?;
        let all = share.count as u64;
        let tally = &clients.tally;
        let mut expected = 0;
        loop {
            expected += all;
            until("a broadcast", HERD_MAX, || tally.heard() >= expected).await?;
            let faults = [&tally.skipped, &tally.unrecovered, &tally.ended];
            let faults = faults.map(|count| count.load(Ordering::Relaxed));
            let mut line = faults.iter().sum::<u64>().to_string();
            for delay in tally.delays().into_times() {
                line.push(' ');
                line.push_str(&delay.as_micros().to_string());
            }
            say(&line)?;
        }
    };
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _rest = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _failed = end.send(());
    });
    tokio::select! {
        failed = listening => failed,
        _end = ended => Ok(()),
    }
}

fn say(line: &str) -> Result<(), TargetError> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}
