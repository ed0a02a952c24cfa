//! The manifest: which files a day has, and whose rows are in them.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::super::times::{broken, millis, moment};
use super::failed;
use crate::domain::ArchiveDay;
use crate::ports::{ArchiveError, FileFacts, Files};
use crate::tally::{Tally, TenantTally};

/// Of `adapters/parquet`.
const FORMAT: i16 = 1;

/// Makes these the files of the day's edition.
pub(super) async fn replace(
    conn: &mut PgConnection,
    day: &ArchiveDay,
    files: &[FileFacts],
) -> Result<(), ArchiveError> {
    sqlx::query("delete from archive_files where day = $1 and edition = $2")
        .bind(day.day)
        .bind(day.edition)
        .execute(&mut *conn)
        .await
        .map_err(failed)?;
    for file in files {
        insert(conn, day, file).await?;
    }
    Ok(())
}

async fn insert(
    conn: &mut PgConnection,
    day: &ArchiveDay,
    file: &FileFacts,
) -> Result<(), ArchiveError> {
    let tally = &file.tally;
    let (first, last) = tally.times_ms.unwrap_or_default();
    sqlx::query(
        "insert into archive_files (day, edition, part, path, format, rows, bytes, sha256,
             min_time, max_time, value_sum)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(day.day)
    .bind(day.edition)
    .bind(file.part)
    .bind(&file.path)
    .bind(FORMAT)
    .bind(tally.rows)
    .bind(file.bytes)
    .bind(file.sha256.as_slice())
    .bind(moment(first)?)
    .bind(moment(last)?)
    .bind(tally.value_sum)
    .execute(&mut *conn)
    .await
    .map_err(failed)?;
    let of_tenants = |tenant: &TenantTally| tenant.tenant.as_uuid();
    let tenants: Vec<Uuid> = tally.tenants.iter().map(of_tenants).collect();
    let rows: Vec<i64> = tally.tenants.iter().map(|tenant| tenant.rows).collect();
    let contents = tally.tenants.iter().map(|tenant| tenant.content.as_slice());
    let contents: Vec<&[u8]> = contents.collect();
    sqlx::query(
        "insert into archive_file_tenants (tenant_id, day, edition, part, rows, content)
         select tenant_id, $1, $2, $3, rows, content
         from unnest($4::uuid[], $5::bigint[], $6::bytea[]) as t (tenant_id, rows, content)",
    )
    .bind(day.day)
    .bind(day.edition)
    .bind(file.part)
    .bind(tenants)
    .bind(rows)
    .bind(contents)
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct FileRow {
    edition: i32,
    part: i32,
    path: String,
    rows: i64,
    bytes: i64,
    sha256: Vec<u8>,
    min_time: OffsetDateTime,
    max_time: OffsetDateTime,
    value_sum: f64,
}

#[derive(sqlx::FromRow)]
struct TenantRow {
    tenant_id: Uuid,
    edition: i32,
    part: i32,
    rows: i64,
    content: Vec<u8>,
}

/// The files of a day, in their order.
pub(super) async fn load(
    conn: &mut PgConnection,
    day: &ArchiveDay,
    which: Files,
) -> Result<Vec<FileFacts>, ArchiveError> {
    let edition = match which {
        Files::OfEdition => Some(day.edition),
        Files::ThatAnswer => None,
    };
    let files: Vec<FileRow> = sqlx::query_as(
        "select edition, part, path, rows, bytes, sha256, min_time, max_time, value_sum
         from archive_files
         where day = $1 and (edition = $2 or $2 is null and answers) order by edition, part",
    )
    .bind(day.day)
    .bind(edition)
    .fetch_all(&mut *conn)
    .await
    .map_err(failed)?;
    let rows: Vec<TenantRow> = sqlx::query_as(
        "select t.tenant_id, t.edition, t.part, t.rows, t.content
         from archive_file_tenants t
         where t.day = $1 and ($2::integer is null or t.edition = $2)
         order by t.edition, t.part, t.tenant_id",
    )
    .bind(day.day)
    .bind(edition)
    .fetch_all(conn)
    .await
    .map_err(failed)?;
    let mut tenants: BTreeMap<(i32, i32), Vec<TenantTally>> = BTreeMap::new();
    for row in rows {
        let file = tenants.entry((row.edition, row.part)).or_default();
        file.push(TenantTally {
            tenant: TenantId::from_uuid(row.tenant_id),
            rows: row.rows,
            content: hash(row.content)?,
        });
    }
    let facts = |file: FileRow| {
        let of_file = tenants.remove(&(file.edition, file.part));
        file.facts(of_file.unwrap_or_default())
    };
    files.into_iter().map(facts).collect()
}

impl FileRow {
    fn facts(self, tenants: Vec<TenantTally>) -> Result<FileFacts, ArchiveError> {
        Ok(FileFacts {
            part: self.part,
            path: self.path,
            bytes: self.bytes,
            sha256: hash(self.sha256)?,
            tally: Tally {
                rows: self.rows,
                times_ms: Some((millis(self.min_time), millis(self.max_time))),
                value_sum: self.value_sum,
                tenants,
            },
        })
    }
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 32], DbError> {
    bytes.try_into().map_err(|_length| broken("hash"))
}
