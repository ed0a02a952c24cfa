//! `audit`: prints a table of all invariants, and says by its exit code whether they hold.
#![expect(clippy::print_stderr, reason = "this is what a tool's user reads")]

mod options;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use options::Options;
use serde::Serialize;
use tradepost_audit::{Findings, Verdict};

/// What `--json` writes.
#[derive(Serialize)]
struct Report<'a> {
    verdict: Verdict,
    /// Why nothing could be checked.
    error: Option<String>,
    #[serde(flatten)]
    findings: Option<&'a Findings>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let audited = tradepost_audit::audit(&options.targets()).await;
    let audited = audited.map_err(anyhow::Error::from);
    let verdict = match &audited {
        Ok(findings) => findings.verdict(),
        Err(_) => Verdict::CouldNotCheck,
    };
    let report = Report {
        verdict,
        error: audited.as_ref().err().map(|error| format!("{error:#}")),
        findings: audited.as_ref().ok(),
    };
    let written = options
        .json
        .as_deref()
        .map_or(Ok(()), |file| write(file, &report));
    match written.and(audited).and_then(|findings| show(&findings)) {
        Ok(()) => ExitCode::from(exit_code(verdict)),
        Err(error) => {
            eprintln!("NOT CHECKED: {error:#}");
            ExitCode::from(exit_code(Verdict::CouldNotCheck))
        }
    }
}

const fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Clean => 0,
        Verdict::Offenders => 1,
        Verdict::CouldNotCheck => 2,
    }
}

fn write(file: &Path, report: &Report<'_>) -> anyhow::Result<()> {
    let json = serde_json::to_vec_pretty(report)?;
    std::fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
}

fn show(findings: &Findings) -> anyhow::Result<()> {
    write!(std::io::stdout().lock(), "{findings}").context("cannot print the table")
}
