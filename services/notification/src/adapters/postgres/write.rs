//! Gives notifications their places and stores them, within a transaction of the caller: the row of
//! each stream is locked until that commits, so sequences are committed in order and without gaps
//! (ADR 40).
//!
//! Against deadlocks streams are locked in one order: users before groups, and each kind by tenant and
//! id. A transaction therefore tells all its users at once, and then all its groups.

use std::collections::{BTreeMap, HashMap};

use sqlx::PgConnection;
use sqlx::types::Uuid;
use time::OffsetDateTime;
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_postgres::DbError;
use tradepost_types::{NotificationId, TenantId};

use super::streams;
use crate::ports::{Entry, StreamKey, Whose};

/// What a user is told.
#[derive(Debug, Clone)]
pub struct ToUser {
    /// Their tenant.
    pub tenant: TenantId,
    /// Who.
    pub user: UserName,
    /// The same for all who are told it.
    pub id: NotificationId,
    /// What.
    pub content: Content,
}

/// What a group is told.
#[derive(Debug, Clone)]
pub struct ToGroup {
    /// Its tenant.
    pub tenant: TenantId,
    /// Which; it is made if there is none.
    pub group: GroupName,
    /// The same for all who are told it.
    pub id: NotificationId,
    /// What.
    pub content: Content,
}

/// Tells users, in the order of `messages` where one is told several times, and returns the entries
/// in that order. They are announced after the commit.
///
/// # Errors
/// Any [`DbError`]; the transaction is then of no use.
pub async fn tell_users(
    conn: &mut PgConnection,
    messages: &[ToUser],
) -> Result<Vec<Entry>, DbError> {
    let lines: Vec<Line<'_>> = messages
        .iter()
        .map(|message| {
            Line::user(
                (message.tenant, message.id, &message.content),
                &message.user,
            )
        })
        .collect();
    tell_lines(conn, BUMP_USERS, &lines).await
}

/// Tells groups, as [`tell_users`] does users. A group that does not exist is made, and called by its
/// id.
///
/// # Errors
/// Any [`DbError`]; the transaction is then of no use.
pub async fn tell_group(
    conn: &mut PgConnection,
    messages: &[ToGroup],
) -> Result<Vec<Entry>, DbError> {
    let lines: Vec<Line<'_>> = messages
        .iter()
        .map(|message| {
            Line::group(
                (message.tenant, message.id, &message.content),
                &message.group,
            )
        })
        .collect();
    tell_lines(conn, BUMP_GROUPS, &lines).await
}

// The time is read after the lock is had, and never goes back within a stream.
pub(super) const BUMP_USERS: &str = "insert into user_streams as s (tenant_id, user_id, last_seq)
    select tenant_id, name, n
    from unnest($1::uuid[], $2::text[], $3::bigint[]) with ordinality
        as b (tenant_id, name, n, place)
    order by place
    on conflict (tenant_id, user_id) do update
        set last_seq = s.last_seq + excluded.last_seq,
            last_at = greatest(s.last_at, clock_timestamp())
    returning tenant_id, user_id, last_seq, last_at";
pub(super) const BUMP_GROUPS: &str =
    "insert into groups as s (tenant_id, group_id, display_name, last_seq)
    select tenant_id, name, name, n
    from unnest($1::uuid[], $2::text[], $3::bigint[]) with ordinality
        as b (tenant_id, name, n, place)
    order by place
    on conflict (tenant_id, group_id) do update
        set last_seq = s.last_seq + excluded.last_seq,
            last_at = greatest(s.last_at, clock_timestamp())
    returning tenant_id, group_id, last_seq, last_at";

// A content that many are told is sent once.
const INSERT: &str = "insert into notifications (tenant_id, stream, created_at, seq, id, content)
    select u.tenant_id, u.stream, u.created_at, u.seq, c.id, c.content::json
    from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[])
        as u (tenant_id, stream, created_at, seq, place)
    join unnest($6::uuid[], $7::text[]) with ordinality as c (id, content, place)
        on c.place = u.place";

/// A message for one stream.
pub(super) struct Line<'a> {
    tenant: TenantId,
    name: &'a str,
    whose: Whose,
    id: NotificationId,
    content: &'a Content,
}

impl<'a> Line<'a> {
    pub(super) fn user(told: Told<'a>, user: &'a UserName) -> Self {
        Self::to(told, user.as_str(), Whose::User(user.clone()))
    }

    pub(super) fn group(told: Told<'a>, group: &'a GroupName) -> Self {
        Self::to(told, group.as_str(), Whose::Group(group.clone()))
    }

    fn to((tenant, id, content): Told<'a>, name: &'a str, whose: Whose) -> Self {
        Self {
            tenant,
            name,
            whose,
            id,
            content,
        }
    }
}

/// Whose tenant's, as what, and what.
type Told<'a> = (TenantId, NotificationId, &'a Content);

/// Tells the streams of one kind, which `bump` moves on.
pub(super) async fn tell_lines(
    conn: &mut PgConnection,
    bump: &'static str,
    lines: &[Line<'_>],
) -> Result<Vec<Entry>, DbError> {
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let mut places = bumped(conn, bump, lines).await?;
    let mut entries = Vec::with_capacity(lines.len());
    let mut rows = Rows::default();
    for line in lines {
        let place = places.get_mut(&(line.tenant.as_uuid(), line.name));
        let (seq, time) = place.ok_or_else(not_bumped)?;
        *seq += 1;
        rows.add(line, *seq, *time)?;
        let key = StreamKey {
            tenant: line.tenant,
            whose: line.whose.clone(),
        };
        let told = (line.id, *time);
        entries.push(streams::placed(
            key,
            streams::seq(*seq),
            told,
            line.content.clone(),
        ));
    }
    rows.insert(conn).await?;
    Ok(entries)
}

/// Row-level security hides a stream of another tenant than that of the transaction.
fn not_bumped() -> DbError {
    DbError::Query(sqlx::Error::RowNotFound)
}

/// By stream: the last sequence before these messages, and when they are told.
type Places<'a> = HashMap<(Uuid, &'a str), (i64, OffsetDateTime)>;

/// Moves each stream on by as many as it is told.
async fn bumped<'a>(
    conn: &mut PgConnection,
    bump: &'static str,
    lines: &[Line<'a>],
) -> Result<Places<'a>, DbError> {
    let mut counts: BTreeMap<(Uuid, &'a str), i64> = BTreeMap::new();
    for line in lines {
        *counts
            .entry((line.tenant.as_uuid(), line.name))
            .or_default() += 1;
    }
    let tenants: Vec<Uuid> = counts.keys().map(|(tenant, _)| *tenant).collect();
    let names: Vec<&str> = counts.keys().map(|(_, name)| *name).collect();
    let numbers: Vec<i64> = counts.values().copied().collect();
    let bumped: Vec<(Uuid, String, i64, OffsetDateTime)> = sqlx::query_as(bump)
        .bind(tenants)
        .bind(names)
        .bind(numbers)
        .fetch_all(conn)
        .await?;
    let mut tops: HashMap<(Uuid, &str), (i64, OffsetDateTime)> = HashMap::new();
    for (tenant, name, last, time) in &bumped {
        tops.insert((*tenant, name.as_str()), (*last, *time));
    }
    let places = counts.into_iter().filter_map(|(stream, count)| {
        let (last, time) = tops.get(&stream)?;
        Some((stream, (last - count, *time)))
    });
    Ok(places.collect())
}

/// Rows of what was told, as arrays.
#[derive(Default)]
struct Rows<'a> {
    tenants: Vec<Uuid>,
    streams: Vec<String>,
    times: Vec<OffsetDateTime>,
    seqs: Vec<i64>,
    /// Which content, from 1.
    contents_at: Vec<i64>,
    ids: Vec<Uuid>,
    contents: Vec<String>,
    /// The last of them, so that one that many are told is there once.
    last: Option<&'a Content>,
}

impl<'a> Rows<'a> {
    fn add(&mut self, line: &Line<'a>, seq: i64, time: OffsetDateTime) -> Result<(), DbError> {
        self.tenants.push(line.tenant.as_uuid());
        self.streams.push(streams::column(&line.whose));
        self.times.push(time);
        self.seqs.push(seq);
        if !self
            .last
            .is_some_and(|last| std::ptr::eq(last, line.content))
        {
            self.ids.push(line.id.as_uuid());
            self.contents.push(streams::json(line.content)?);
            self.last = Some(line.content);
        }
        let at = i64::try_from(self.contents.len()).unwrap_or(i64::MAX);
        self.contents_at.push(at);
        Ok(())
    }

    async fn insert(self, conn: &mut PgConnection) -> Result<(), DbError> {
        sqlx::query(INSERT)
            .bind(self.tenants)
            .bind(self.streams)
            .bind(self.times)
            .bind(self.seqs)
            .bind(self.contents_at)
            .bind(self.ids)
            .bind(self.contents)
            .execute(conn)
            .await?;
        Ok(())
    }
}
