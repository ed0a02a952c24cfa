//! The parts of the bench, each on nodes that have just begun.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::clients::Clients;
use super::probes::{Probed, Probes};
use super::senders::{Caller, Kind, Senders, Sent};
use super::{Load, Node, Origin, until};
use crate::bench::report::{Rows, Unit};
use crate::bench::target::TargetError;
use crate::samples::{Samples, millis};

/// How long what was sent may take to arrive, after the last was sent.
const ARRIVE_MAX: Duration = Duration::from_secs(20);
/// For how long silent clients are watched.
const SILENT: Duration = Duration::from_secs(10);
/// Broadcasts that no figure is of: each connection's first cost twice as much.
const WARM_UP: u32 = 10;
/// Broadcasts on their way at once, where as many as can be go through.
const UNDER_WAY: u64 = 4;

/// Silent connections: what each takes.
///
/// # Errors
/// [`TargetError`].
pub async fn idle(node: &Node, caller: &Caller, load: &Load) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let mut clients = Clients::new(load.clients, Origin::now());
    let before = node.process().kibibytes();
    let started = Instant::now();
    clients.connect(&[node.live], caller).await?;
    let took = started.elapsed().as_secs_f64();
    let name = format!("{} silent connections", load.clients);
    rows.median(&format!("{name}: opened in"), took, Unit::Seconds);
    let processor = node.process().processor_time();
    tokio::time::sleep(SILENT).await;
    let processor = node.process().processor_time().saturating_sub(processor);
    let percent = processor.as_secs_f64() / SILENT.as_secs_f64() * 100.0;
    let after = node.process().kibibytes();
    let each = before
        .zip(after)
        .map(|(before, after)| (after - before) / load.clients as f64);
    rows.median(&format!("{name}: resident, each"), each, Unit::Kibibytes);
    rows.median(
        &format!("{name}: processor, of one core"),
        percent,
        Unit::Percent,
    );
    clients.tally.tell(&mut rows, &name);
    clients.drop_all().await;
    Ok(rows)
}

/// Messages at a constant rate, each to one of all clients.
///
/// # Errors
/// [`TargetError`].
pub async fn targeted(
    node: &Node,
    caller: &Caller,
    load: &Load,
    kind: Kind,
) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let origin = Origin::now();
    let mut clients = Clients::new(load.clients, origin);
    clients.connect(&[node.live], caller).await?;
    let senders = Senders::connect(&node.server, caller, origin).await?;
    let name = match kind {
        Kind::Durable => format!("{}/s durable to {} clients", load.rate, load.clients),
        Kind::Ephemeral => format!("{}/s ephemeral to {} clients", load.rate, load.clients),
    };
    let processor = node.process().processor_time();
    let sent = senders
        .paced(kind, load.rate, load.window(), load.clients)
        .await?;
    arrived(&clients, sent.accepted).await;
    let processor = node.process().processor_time().saturating_sub(processor);
    let percent = processor.as_secs_f64() / load.window().as_secs_f64() * 100.0;
    tell_sent(&mut rows, &name, &sent);
    latencies(
        &mut rows,
        &format!("{name}: heard"),
        &clients.tally.delays(),
    );
    rows.median(
        &format!("{name}: node's processor, of one core"),
        percent,
        Unit::Percent,
    );
    let each = processor.as_secs_f64() * 1e9 / (sent.accepted.max(1) as f64);
    rows.median(
        &format!("{name}: node's processor, a message"),
        each,
        Unit::Nanoseconds,
    );
    tell_lost(&mut rows, &name, &clients, sent.accepted);
    clients.drop_all().await;
    Ok(rows)
}

/// One message to all clients: when the last has it, and how many a second go through.
///
/// # Errors
/// [`TargetError`].
pub async fn broadcast(node: &Node, caller: &Caller, load: &Load) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let origin = Origin::now();
    let senders = Senders::connect(&node.server, caller, origin).await?;
    senders.gather(load.clients).await?;
    let mut clients = Clients::new(load.clients, origin);
    clients.connect(&[node.live], caller).await?;
    let name = format!("broadcast to {} clients", load.clients);
    let (all, mut expected) = (load.clients as u64, 0);
    let warm_up = Load {
        broadcasts: WARM_UP,
        ..*load
    };
    let _cold = one_by_one(
        (&senders, Kind::Ephemeral),
        &clients,
        &warm_up,
        &mut expected,
    )
    .await?;
    for (kind, what) in [(Kind::Ephemeral, "ephemeral"), (Kind::Durable, "stored")] {
        let before = node.process().processor_time();
        let rows_of = format!("{name}, one by one, {what}");
        let (each, last) = one_by_one((&senders, kind), &clients, load, &mut expected).await?;
        latencies(&mut rows, &format!("{rows_of}: each has it"), &each);
        latencies(&mut rows, &format!("{rows_of}: the last has it"), &last);
        let processor = node.process().processor_time().saturating_sub(before);
        let deliveries = (u64::from(load.broadcasts) * all).max(1) as f64;
        let million = processor.as_secs_f64() * 1e6 / deliveries;
        let cost = format!("{rows_of}: node's processor time of a million deliveries");
        rows.median(&cost, million, Unit::Seconds);
    }
    let (before, started) = (node.process().processor_time(), Instant::now());
    let heard = clients.tally.heard();
    let sends = senders.stream().await?;
    while started.elapsed() < load.window() {
        sends.broadcast(Kind::Durable).await;
        expected += all;
        let floor = expected.saturating_sub((UNDER_WAY - 1) * all);
        arrived(&clients, floor).await;
    }
    let sent = sends.finish().await?;
    arrived(&clients, expected).await;
    let deliveries = (clients.tally.heard() - heard) as f64;
    let rate = deliveries / started.elapsed().as_secs_f64();
    let processor = node.process().processor_time().saturating_sub(before);
    let refused = sent.refused as f64;
    rows.worst(&format!("{name}: refused"), refused, Unit::Requests);
    rows.median(&format!("{name}: deliveries"), rate, Unit::EventsPerSecond);
    let million = processor.as_secs_f64() * 1e6 / deliveries.max(1.0);
    let cost = format!("{name}: node's processor time of a million deliveries");
    rows.median(&cost, million, Unit::Seconds);
    tell_lost(&mut rows, &name, &clients, expected);
    clients.drop_all().await;
    Ok(rows)
}

/// Each when all have the one before: the times of all deliveries, and of the last of each.
async fn one_by_one(
    (senders, kind): (&Senders, Kind),
    clients: &Clients,
    load: &Load,
    expected: &mut u64,
) -> Result<(Samples, Samples), TargetError> {
    let (mut each, mut last) = (Samples::default(), Samples::default());
    for _ in 0..load.broadcasts {
        senders.broadcast(kind).await?;
        *expected += load.clients as u64;
        arrived(clients, *expected).await;
        let delays = clients.tally.delays();
        if let Some(slowest) = delays.percentile(100) {
            last.push(slowest);
        }
        each.append(delays);
    }
    Ok((each, last))
}

/// All connections drop, all miss something, and all come back at once.
///
/// # Errors
/// [`TargetError`].
pub async fn storm(node: &Node, caller: &Caller, load: &Load) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    let origin = Origin::now();
    let senders = Senders::connect(&node.server, caller, origin).await?;
    senders.gather(load.clients).await?;
    let mut clients = Clients::new(load.clients, origin);
    clients.connect(&[node.live], caller).await?;
    let name = format!("{} clients come back at once", load.clients);
    // Each has heard something of both streams, so that both resume.
    senders.broadcast(Kind::Durable).await?;
    let mut expected = load.clients as u64;
    arrived(&clients, expected).await;
    clients.drop_all().await;
    for _ in 0..load.broadcasts.min(10) {
        senders.broadcast(Kind::Durable).await?;
        expected += load.clients as u64;
    }
    let sent = senders
        .paced(
            Kind::Durable,
            load.rate,
            Duration::from_secs(2),
            load.clients,
        )
        .await?;
    expected += sent.accepted;
    let probes = Probes::start(node.live, caller.reader("somebody else")?);
    let started = Instant::now();
    clients.connect(&[node.live], caller).await?;
    let welcome = started.elapsed().as_secs_f64();
    arrived(&clients, expected).await;
    rows.median(
        &format!("{name}: all are welcome after"),
        welcome,
        Unit::Seconds,
    );
    let whole = started.elapsed().as_secs_f64();
    rows.median(
        &format!("{name}: all have what they missed after"),
        whole,
        Unit::Seconds,
    );
    let Probed { accepted, refused } = probes.finish();
    let others = format!("{name}: others are let in meanwhile");
    latencies(&mut rows, &others, &accepted);
    rows.worst(
        &format!("{others}, refused"),
        refused as f64,
        Unit::Requests,
    );
    let refused = clients.tally.refused.load(Ordering::Relaxed) as f64;
    rows.median(
        &format!("{name}: told to come later"),
        refused,
        Unit::Requests,
    );
    tell_lost(&mut rows, &name, &clients, expected);
    clients.drop_all().await;
    Ok(rows)
}

/// Messages told at one node, to clients of another.
///
/// # Errors
/// [`TargetError`].
pub async fn two_nodes(
    (told, heard): (&Node, &Node),
    caller: &Caller,
    load: &Load,
) -> Result<Rows, TargetError> {
    let mut rows = Rows::default();
    for kind in [Kind::Durable, Kind::Ephemeral] {
        let origin = Origin::now();
        let mut clients = Clients::new(load.clients, origin);
        clients.connect(&[heard.live], caller).await?;
        let senders = Senders::connect(&told.server, caller, origin).await?;
        let what = match kind {
            Kind::Durable => "durable",
            Kind::Ephemeral => "ephemeral",
        };
        let name = format!("{}/s {what} told at another node", load.rate);
        let sent = senders
            .paced(kind, load.rate, load.window(), load.clients)
            .await?;
        arrived(&clients, sent.accepted).await;
        tell_sent(&mut rows, &name, &sent);
        latencies(
            &mut rows,
            &format!("{name}: heard"),
            &clients.tally.delays(),
        );
        tell_lost(&mut rows, &name, &clients, sent.accepted);
        clients.drop_all().await;
    }
    Ok(rows)
}

/// Waits for so many deliveries; what is still missing then is told as lost.
async fn arrived(clients: &Clients, count: u64) {
    let tally = &clients.tally;
    let waited = until("deliveries", ARRIVE_MAX, || tally.heard() >= count).await;
    drop(waited);
}

fn tell_sent(rows: &mut Rows, name: &str, sent: &Sent) {
    latencies(rows, &format!("{name}: answered"), &sent.answers);
    rows.worst(
        &format!("{name}: calls refused"),
        sent.refused as f64,
        Unit::Requests,
    );
    if let Some(why) = &sent.why {
        rows.tell(format!("{name}: {why}"));
    }
}

fn tell_lost(rows: &mut Rows, name: &str, clients: &Clients, expected: u64) {
    let lost = expected.saturating_sub(clients.tally.heard());
    rows.worst(&format!("{name}: not delivered"), lost as f64, Unit::Events);
    let repeated = clients.tally.repeated.load(Ordering::Relaxed) as f64;
    rows.median(&format!("{name}: heard again"), repeated, Unit::Events);
    clients.tally.tell(rows, name);
}

pub(super) fn latencies(rows: &mut Rows, name: &str, samples: &Samples) {
    for (quantile, permille) in [("p50", 500), ("p99", 990), ("most", 1_000)] {
        let time = samples.permille(permille).map(millis);
        rows.median(&format!("{name}: {quantile}"), time, Unit::Milliseconds);
    }
}
