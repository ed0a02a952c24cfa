//! What users were told.

use async_trait::async_trait;
use sqlx::types::Uuid;
use time::OffsetDateTime;
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::Stream;
use tradepost_postgres::{DbError, retrying};
use tradepost_types::NotificationId;

use super::PgNotifications;
use super::streams::{self, column_seq, seq, unreadable};
use crate::ports::{
    Cursor, Histories, HistoryKey, HistoryQuestion, Kept, Marked, Reader, StoreError, Whose,
};

/// A page of a user's history. Within a stream times never go back as sequences go on, so a piece of
/// it is a span of time: each is read from its end, a partition after the other, and no further than
/// the page needs. What is unread begins at the time of its first.
pub const PAGE: &str = include_str!("history.sql");

type Row = (String, i64, Uuid, OffsetDateTime, String, bool);

#[async_trait]
impl Histories for PgNotifications {
    async fn page(
        &self,
        reader: &Reader,
        question: &HistoryQuestion,
    ) -> Result<Vec<Kept>, StoreError> {
        let after = question.after.as_ref();
        let stream = after.map(|after| column_of(reader, &after.stream));
        let mut tx = self.database.tenant_tx(reader.tenant).await?;
        let rows: Vec<Row> = sqlx::query_as(PAGE)
            .bind(reader.tenant.as_uuid())
            .bind(reader.user.as_str())
            .bind(question.unread_only)
            .bind(after.map(|after| after.time))
            .bind(stream)
            .bind(after.map(|after| column_seq(after.seq)))
            .bind(question.limit)
            .fetch_all(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        let kept: Result<Vec<Kept>, DbError> = rows.into_iter().map(read).collect();
        Ok(kept?)
    }

    async fn cursors(&self, reader: &Reader) -> Result<Vec<Cursor>, StoreError> {
        let mut tx = self.database.tenant_tx(reader.tenant).await?;
        let cursors = super::reading::cursors(tx.conn(), reader).await?;
        tx.commit().await?;
        Ok(cursors)
    }

    async fn mark(&self, reader: &Reader, marks: &[(Stream, u64)]) -> Result<Marked, StoreError> {
        Ok(retrying(|| self.mark_once(reader, marks)).await?)
    }
}

fn column_of(reader: &Reader, stream: &Stream) -> String {
    match stream {
        Stream::User => streams::of_user(&reader.user),
        Stream::Group(group) => streams::of_group(group),
    }
}

fn read((stream, place, id, time, content, read): Row) -> Result<Kept, DbError> {
    let stream = match streams::whose(&stream)? {
        Whose::User(_) => Stream::User,
        Whose::Group(group) => Stream::Group(group),
    };
    let content: Content = serde_json::from_str(&content).map_err(unreadable)?;
    Ok(Kept {
        key: HistoryKey {
            time,
            stream,
            seq: seq(place),
        },
        id: NotificationId::from_uuid(id),
        content,
        read,
    })
}
