//! The audit trail for operators and for those who check them.

mod verify;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tradepost_postgres::Database;
use tradepost_service::Clock;

use crate::adapters::audit_files::{EXPORT_FORMAT, ExportEnd, ExportHead, ExportRow, SigningKey};
use crate::adapters::postgres::audit::PgAudit;
use crate::config::GatewayConfig;
use crate::domain::audit::{Actor, Chain, Entry, Outcome};
use crate::ports::audit::{AuditJournal, AuditStore};

pub use verify::{ExportFault, Report, Verify, verify_export};

/// How many rows are read at once.
const PAGE: u16 = 1_000;

/// What can be done with the trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check an export against signed checkpoints and name the first bad row of each chain; needs
    /// neither database nor configuration
    Verify(Verify),
    /// Write the trail to standard output, a line a row
    Export(Export),
    /// Forget where an actor's entries came from; the chain stays whole
    EraseOrigins(EraseOrigins),
    /// Print the public key that verifies checkpoints
    PublicKey,
}

/// What to export.
#[derive(Debug, Args)]
pub struct Export {
    /// One chain only: `platform` or a tenant's id
    #[arg(long)]
    chain: Option<Chain>,
}

/// Whose origins to erase.
#[derive(Debug, Args)]
pub struct EraseOrigins {
    /// The actor as the trail has it, e.g. a user's id
    #[arg(long)]
    actor: String,
}

/// Runs one command.
///
/// # Errors
/// Fails with a sentence for the operator.
pub async fn run(command: AuditCommand, config: &GatewayConfig) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify(command) => verify::run(&command).await,
        AuditCommand::Export(command) => {
            let store = open(config)?;
            export(&store, command.chain, &mut io::stdout().lock()).await
        }
        AuditCommand::EraseOrigins(command) => {
            let store = open(config)?;
            erase_origins(&store, &command.actor).await
        }
        AuditCommand::PublicKey => {
            let pem = config.audit.signing_key.as_ref();
            let pem = pem.context("audit.signing_key is not set")?;
            let key = SigningKey::from_pem(pem).context("audit.signing_key")?;
            io::stdout().write_all(key.public().to_pem().as_bytes())?;
            Ok(())
        }
    }
}

#[derive(Parser)]
#[command(name = "gateway audit verify")]
struct Offline {
    #[command(flatten)]
    verify: Verify,
}

/// Runs `audit verify`, if that is what the arguments of the process ask for: it is for people who
/// have no gateway, so it must not need a configuration.
pub fn offline(arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    // `gateway admin …` is the same as `gateway …`.
    let arguments: Vec<OsString> = arguments
        .enumerate()
        .filter(|(place, argument)| *place != 1 || argument != "admin")
        .map(|(_, argument)| argument)
        .collect();
    match arguments.get(1..3) {
        Some([first, second]) if first == "audit" && second == "verify" => {}
        Some(_) | None => return None,
    }
    let command = match Offline::try_parse_from(arguments.into_iter().skip(2)) {
        Ok(offline) => offline.verify,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .context("the runtime cannot be started")
        .and_then(|runtime| runtime.block_on(verify::run(&command)));
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing can be done about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    })
}

fn open(config: &GatewayConfig) -> anyhow::Result<PgAudit> {
    let database = Database::connect_lazy(&config.database, "gateway-audit")?;
    Ok(PgAudit::new(database, &config.database))
}

/// Writes all rows of one chain or of all, each chain in order.
///
/// # Errors
/// Fails when the trail cannot be read or `out` not be written.
pub async fn export(
    store: &dyn AuditStore,
    only: Option<Chain>,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    // Before the heads are read: what is signed later may lie behind them.
    let exported_at = Clock::system().now();
    let mut heads = store.heads().await?;
    heads.retain(|head| only.is_none_or(|only| only == head.chain));
    heads.sort_by_key(|head| head.chain);
    let head = ExportHead {
        format: EXPORT_FORMAT.to_owned(),
        exported_at,
    };
    writeln!(out, "{}", serde_json::to_string(&head)?)?;
    let mut rows = 0;
    for head in heads {
        let mut after = 0;
        loop {
            let page = store.read(head.chain, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.entry.seq;
            for kept in page {
                writeln!(out, "{}", serde_json::to_string(&ExportRow::from(kept))?)?;
                rows += 1;
            }
        }
    }
    writeln!(out, "{}", serde_json::to_string(&ExportEnd { rows })?)?;
    Ok(out.flush()?)
}

async fn erase_origins(store: &PgAudit, actor: &str) -> anyhow::Result<()> {
    let erased = store.erase_origins(actor).await?;
    let entry = Entry::new(
        Chain::Platform,
        Actor::System("command"),
        "audit.erase_origins",
        Outcome::Succeeded,
    );
    store
        .append(&[entry.on(actor).with("origins", erased)])
        .await?;
    writeln!(io::stdout(), "{erased} origins erased")?;
    Ok(())
}
