//! The commands by which a person looks at parked messages and sends them round again.

use std::io::Write;

use clap::ArgGroup;
use sqlx::PgConnection;
use sqlx::types::Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tradepost_postgres::{Database, DbError};

use crate::wire::Headers;

/// Groups shown at most.
const GROUPS_MAX: i64 = 200;
/// Bytes of the body shown in hexadecimal.
const BODY_SHOWN_MAX: usize = 1_024;

/// What to do with parked messages.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ParkedCommand {
    /// Count parked messages by error fingerprint.
    List,
    /// Show one message: headers, kind, size and bytes of the body.
    Show {
        /// The number `list` and the log name.
        id: i64,
    },
    /// Send messages to their handler again, now.
    Redrive(Redrive),
}

/// Which messages to redrive.
#[derive(Debug, Clone, clap::Args)]
// A group of its own: the one that clap makes of the struct takes in every field.
#[group(skip)]
#[command(group(ArgGroup::new("which").required(true).args(["id", "fingerprint", "all"])))]
pub struct Redrive {
    /// One message.
    #[arg(long)]
    pub id: Option<i64>,
    /// All messages of one failure.
    #[arg(long)]
    pub fingerprint: Option<String>,
    /// Every parked message.
    #[arg(long)]
    pub all: bool,
    /// Only count what would be sent.
    #[arg(long)]
    pub dry_run: bool,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ParkedError {
    /// There is no such message.
    #[error("no message is parked under {0}")]
    NotFound(i64),
    /// The database failed.
    #[error("the parked messages cannot be reached")]
    Database(#[from] DbError),
    /// The report could not be written.
    #[error("the report cannot be written")]
    Output(#[from] std::io::Error),
}

/// Carries out the command and prints its report to standard output.
pub async fn run(command: ParkedCommand, database: &Database) -> Result<(), ParkedError> {
    let report = report(command, database).await?;
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(())
}

/// Carries out the command and returns its report.
pub async fn report(command: ParkedCommand, database: &Database) -> Result<String, ParkedError> {
    let mut tx = database.system_tx().await?;
    let report = match command {
        ParkedCommand::List => list(tx.conn()).await?,
        ParkedCommand::Show { id } => show(tx.conn(), id).await?,
        ParkedCommand::Redrive(which) => redrive(tx.conn(), &which).await?,
    };
    tx.commit().await?;
    Ok(report)
}

async fn list(conn: &mut PgConnection) -> Result<String, DbError> {
    type Group = (
        String,
        String,
        String,
        i64,
        i64,
        OffsetDateTime,
        OffsetDateTime,
    );
    let groups: Vec<Group> = sqlx::query_as(
        "select fingerprint, queue, reason, count(*), min(parked_id), min(first_seen),
            max(last_seen)
         from messaging.parked group by fingerprint, queue, reason
         order by max(last_seen) desc limit $1",
    )
    .bind(GROUPS_MAX)
    .fetch_all(conn)
    .await?;
    if groups.is_empty() {
        return Ok("nothing is parked\n".to_owned());
    }
    let mut text = format!(
        "{:<16}  {:<28}  {:<20}  {:>6}  {:>8}  {:<20}  {:<20}\n",
        "FINGERPRINT", "QUEUE", "REASON", "COUNT", "FIRST ID", "FIRST SEEN", "LAST SEEN"
    );
    for (fingerprint, queue, reason, count, id, first, last) in groups {
        let (first, last) = (moment(first), moment(last));
        text.push_str(&format!(
            "{fingerprint:<16}  {queue:<28}  {reason:<20}  {count:>6}  {id:>8}  {first:<20}  {last:<20}\n"
        ));
    }
    Ok(text)
}

async fn show(conn: &mut PgConnection, id: i64) -> Result<String, ParkedError> {
    type Parked = (String, String, String, String, i32, Json<Headers>, Vec<u8>);
    let found: Option<Parked> = sqlx::query_as(
        "select queue, fingerprint, reason, detail, attempts, headers, body
         from messaging.parked where parked_id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
    .map_err(DbError::from)?;
    let (queue, fingerprint, reason, detail, attempts, headers, body) =
        found.ok_or(ParkedError::NotFound(id))?;
    let mut text = format!(
        "id           {id}\nqueue        {queue}\nfingerprint  {fingerprint}\nreason       {reason}\n\
         detail       {detail}\nattempts     {attempts}\nheaders\n"
    );
    for (name, value) in &headers.0 {
        text.push_str(&format!("  {name}: {value}\n"));
    }
    let shown = body
        .get(..body.len().min(BODY_SHOWN_MAX))
        .unwrap_or_default();
    let more = if shown.len() < body.len() { "…" } else { "" };
    text.push_str(&format!(
        "body         {} bytes\n  {}{more}\n",
        body.len(),
        hex::encode(shown)
    ));
    Ok(text)
}

async fn redrive(conn: &mut PgConnection, which: &Redrive) -> Result<String, ParkedError> {
    if which.dry_run {
        let (count,): (i64,) = sqlx::query_as(
            "select count(*) from messaging.parked
             where $3 or parked_id = $1 or fingerprint = $2",
        )
        .bind(which.id)
        .bind(&which.fingerprint)
        .bind(which.all)
        .fetch_one(conn)
        .await
        .map_err(DbError::from)?;
        return Ok(format!("would redrive {count} messages\n"));
    }
    let done = sqlx::query(
        "with gone as (
            delete from messaging.parked where $3 or parked_id = $1 or fingerprint = $2
            returning queue, dedup_key, fingerprint, reason, detail, headers, body)
         insert into messaging.retries (queue, dedup_key, next_attempt_at, attempts, fingerprint,
            reason, last_error, headers, body)
         select gone.queue, gone.dedup_key, now(), 0, gone.fingerprint, gone.reason, gone.detail,
            gone.headers, gone.body
         from gone
         on conflict on constraint retries_one_per_message
         do update set next_attempt_at = now(), attempts = 0",
    )
    .bind(which.id)
    .bind(&which.fingerprint)
    .bind(which.all)
    .execute(conn)
    .await
    .map_err(DbError::from)?;
    match (which.id, done.rows_affected()) {
        (Some(id), 0) => Err(ParkedError::NotFound(id)),
        (_, count) => Ok(format!("{count} messages will be tried again now\n")),
    }
}

fn moment(time: OffsetDateTime) -> String {
    let whole_seconds = time.replace_nanosecond(0).unwrap_or(time);
    whole_seconds.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        command: ParkedCommand,
    }

    fn parse(line: &str) -> Result<Redrive, ErrorKind> {
        let words = ["parked", "redrive"].into_iter().chain(line.split(' '));
        let words = words.filter(|word| !word.is_empty());
        match Line::try_parse_from(words).map(|line| line.command) {
            Ok(ParkedCommand::Redrive(which)) => Ok(which),
            Ok(other) => panic!("{line:?} was read as {other:?}"),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn a_dry_run_goes_with_each_choice() {
        for choice in ["--fingerprint 4f1c", "--id 17", "--all"] {
            let wet = parse(choice).unwrap();
            let dry = parse(&format!("{choice} --dry-run")).unwrap();

            assert_eq!((wet.dry_run, dry.dry_run), (false, true), "{choice}");
        }
        let chosen = parse("--dry-run --fingerprint 4f1c").unwrap();
        assert_eq!(chosen.fingerprint.as_deref(), Some("4f1c"));
        assert_eq!((chosen.id, chosen.all), (None, false));
    }

    #[test]
    fn exactly_one_choice_is_needed() {
        for none in ["", "--dry-run"] {
            let refused = parse(none).unwrap_err();
            assert_eq!(refused, ErrorKind::MissingRequiredArgument, "{none:?}");
        }
        for two in ["--id 17 --all", "--all --fingerprint 4f1c"] {
            assert_eq!(parse(two).unwrap_err(), ErrorKind::ArgumentConflict);
        }
    }
}
