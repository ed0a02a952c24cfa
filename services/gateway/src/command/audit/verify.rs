//! The verifier: an export, checkpoints, public keys; no database.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::adapters::audit_files::{
    EXPORT_FORMAT, ExportEnd, ExportHead, ExportRow, PublicKey, read_checkpoints,
};
use crate::domain::audit::{Chain, Checkpoint, Fault, Head, Kind, Link, verify};

/// The longest line of an export.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// What to check.
#[derive(Debug, Args)]
pub struct Verify {
    /// The export (NDJSON); it is read once
    #[arg(long, value_name = "FILE")]
    export: PathBuf,
    /// The folder of checkpoints; may be given several times
    #[arg(long, value_name = "DIR")]
    checkpoints: Vec<PathBuf>,
    /// A public key in PEM; may be given several times, for keys of earlier times
    #[arg(long, value_name = "FILE")]
    public_key: Vec<PathBuf>,
    /// The one chain that the export is of; otherwise every chain that has a checkpoint must be
    /// in it
    #[arg(long)]
    chain: Option<Chain>,
}

/// Why an export cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum ExportFault {
    /// It cannot be read.
    #[error("the export cannot be read")]
    Unreadable(#[from] io::Error),
    /// A line is not what it must be.
    #[error("line {line} of the export is no {wanted}")]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What it must be.
        wanted: &'static str,
    },
    /// The end line is missing, or counts other rows: it was cut off on its way.
    #[error("the export is cut off behind line {0}: export it again")]
    CutOff(usize),
}

/// What was found.
#[derive(Debug)]
pub struct Report {
    /// Each chain with its end, or its first bad row.
    pub chains: BTreeMap<Chain, Result<Head, Fault>>,
    /// Rows whose chain is in order, but beside which stands another origin: chain and place.
    pub origins: Vec<(Chain, i64)>,
    /// How many rows were checked.
    pub rows: usize,
}

impl Report {
    /// Whether all is as it was written.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.origins.is_empty() && self.chains.values().all(Result::is_ok)
    }
}

/// The rows of an export, as far as they are needed.
#[derive(Default)]
struct Rows {
    chains: BTreeMap<Chain, Vec<Link>>,
    origins: Vec<(Chain, i64)>,
    count: usize,
}

/// Checks an export against checkpoints whose signatures are good.
///
/// # Errors
/// [`ExportFault`] if it is no whole export. Tampering is no error but in the report.
pub fn verify_export(
    export: impl BufRead,
    checkpoints: &[Checkpoint],
    only: Option<Chain>,
) -> Result<Report, ExportFault> {
    let (head, rows) = read(export)?;
    // What was signed in the second of the export or later may lie behind it.
    let second = head.exported_at.unix_timestamp();
    let known = |point: &&Checkpoint| {
        let of_chain = only.is_none_or(|only| point.chain == only);
        of_chain && (point.kind == Kind::Cut || point.time.unix_timestamp() < second)
    };
    let checkpoints: Vec<Checkpoint> = checkpoints.iter().filter(known).cloned().collect();
    let mut chains: BTreeMap<Chain, Vec<Link>> = rows.chains;
    for point in &checkpoints {
        chains.entry(point.chain).or_default();
    }
    let checked = chains
        .into_iter()
        .map(|(chain, links)| (chain, verify(chain, &links, &checkpoints)));
    Ok(Report {
        chains: checked.collect(),
        origins: rows.origins,
        rows: rows.count,
    })
}

fn read(export: impl BufRead) -> Result<(ExportHead, Rows), ExportFault> {
    let mut lines = export.lines().enumerate();
    let malformed = |line, wanted| ExportFault::Malformed { line, wanted };
    let first = match lines.next() {
        Some((_, line)) => line?,
        None => return Err(ExportFault::CutOff(0)),
    };
    let head: ExportHead =
        serde_json::from_str(&first).map_err(|_other| malformed(1, "head of an export"))?;
    if head.format != EXPORT_FORMAT {
        return Err(malformed(1, "head of an export of this version"));
    }
    let (mut rows, mut end, mut last) = (Rows::default(), None, 1);
    for (index, line) in lines {
        let (number, line) = (index + 1, line?);
        if end.is_some() || line.len() > LINE_BYTES_MAX {
            return Err(malformed(number, "row"));
        }
        last = number;
        match serde_json::from_str::<ExportRow>(&line) {
            Ok(row) => rows.take(row).ok_or_else(|| malformed(number, "row"))?,
            Err(_other) => {
                let parsed: Result<ExportEnd, _> = serde_json::from_str(&line);
                end = Some(parsed.map_err(|_other| malformed(number, "row"))?);
            }
        }
    }
    let count = u64::try_from(rows.count).unwrap_or(u64::MAX);
    match end {
        Some(end) if end.rows == count => Ok((head, rows)),
        Some(_) | None => Err(ExportFault::CutOff(last)),
    }
}

impl Rows {
    fn take(&mut self, row: ExportRow) -> Option<()> {
        let kept = row.into_kept()?;
        let (chain, seq) = (kept.entry.chain, kept.entry.seq);
        if !kept.origin_is_intact() {
            self.origins.push((chain, seq));
        }
        self.count += 1;
        let links = self.chains.entry(chain).or_default();
        links.push(Link::from(&kept.entry));
        Some(())
    }
}

/// Runs the command and says what it found.
pub(super) async fn run(command: &Verify) -> anyhow::Result<()> {
    let mut keys = Vec::new();
    for path in &command.public_key {
        let name = || path.display().to_string();
        let pem = std::fs::read_to_string(path).with_context(name)?;
        keys.push(PublicKey::from_pem(&pem).with_context(name)?);
    }
    let (mut checkpoints, mut unsigned) = (Vec::new(), Vec::new());
    for dir in &command.checkpoints {
        let found = read_checkpoints(dir, &keys).await;
        let found = found.with_context(|| dir.display().to_string())?;
        checkpoints.extend(found.good);
        unsigned.extend(found.bad);
    }
    let name = || command.export.display().to_string();
    let file = File::open(&command.export).with_context(name)?;
    let report =
        verify_export(BufReader::new(file), &checkpoints, command.chain).with_context(name)?;
    say(&report, &checkpoints, &unsigned, &mut io::stdout().lock())?;
    if !report.is_good() || !unsigned.is_empty() {
        bail!("the audit trail is not as it was written");
    }
    Ok(())
}

fn say(
    report: &Report,
    checkpoints: &[Checkpoint],
    unsigned: &[String],
    out: &mut impl Write,
) -> io::Result<()> {
    for (chain, checked) in &report.chains {
        match checked {
            Ok(head) => writeln!(
                out,
                "good {chain}: {} rows to {}",
                head.seq,
                hex::encode(head.hash)
            )?,
            Err(fault) => writeln!(out, "BAD  {fault}")?,
        }
    }
    for (chain, seq) in &report.origins {
        writeln!(out, "BAD  {chain}: the origin beside row {seq} was changed")?;
    }
    for place in unsigned {
        writeln!(
            out,
            "BAD  {place}: no checkpoint that a given key has signed"
        )?;
    }
    let (rows, points) = (report.rows, checkpoints.len());
    writeln!(out, "{rows} rows, {points} signed checkpoints")?;
    if points == 0 {
        let warning = "no checkpoint was given: what was sealed anew or cut off cannot be seen";
        writeln!(out, "warning: {warning}")?;
    }
    Ok(())
}
