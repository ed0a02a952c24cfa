//! How users want to be told.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sqlx::types::{Json, Uuid};
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::{DbError, retrying};
use tradepost_types::TenantId;

use super::PgNotifications;
use super::streams::{column_seq, seq, unreadable};
use crate::domain::{Channel, ChannelRule, Minute, Pattern, Preferences, QuietHours};
use crate::ports::{Expected, PreferenceStore, Preferred, Reader, StoreError, StoredPreferences};

/// The columns of [`Row`], of the table `p`.
macro_rules! columns {
    () => {
        "p.muted_types, p.quiet_start, p.quiet_end, p.quiet_zone, p.channel_rules, p.revision, \
         p.updated_at"
    };
}

const FIND: &str = concat!(
    "select ",
    columns!(),
    " from user_preferences p where p.tenant_id = $1 and p.user_id = $2"
);
const PUT: &str = concat!(
    "insert into user_preferences as p
        (tenant_id, user_id, muted_types, quiet_start, quiet_end, quiet_zone, channel_rules,
         wants_email)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict on constraint user_preferences_pk do update
        set muted_types = excluded.muted_types, quiet_start = excluded.quiet_start,
            quiet_end = excluded.quiet_end, quiet_zone = excluded.quiet_zone,
            channel_rules = excluded.channel_rules, wants_email = excluded.wants_email,
            revision = p.revision + 1, updated_at = clock_timestamp(), tx = excluded.tx
    returning ",
    columns!()
);
// Two who know the same revision: the second one waits for the first, and finds another.
const REPLACE: &str = concat!(
    "update user_preferences p
        set muted_types = $3, quiet_start = $4, quiet_end = $5, quiet_zone = $6,
            channel_rules = $7, wants_email = $8,
            revision = p.revision + 1, updated_at = clock_timestamp(),
            tx = pg_current_xact_id()::text::bigint
    where p.tenant_id = $1 and p.user_id = $2 and p.revision = $9
    returning ",
    columns!()
);

/// What readers prefer who have said something, by their place.
pub const OF_READERS: &str = concat!(
    "select r.place, ",
    columns!(),
    " from unnest($1::uuid[], $2::text[]) with ordinality as r (tenant_id, user_id, place)
    join user_preferences p on p.tenant_id = r.tenant_id and p.user_id = r.user_id"
);

/// What somebody prefers.
#[derive(Debug, FromRow)]
pub(super) struct WishesRow {
    muted_types: Vec<String>,
    quiet_start: Option<i16>,
    quiet_end: Option<i16>,
    quiet_zone: Option<String>,
    channel_rules: Json<Vec<Rule>>,
}

#[derive(Debug, FromRow)]
pub(super) struct Row {
    #[sqlx(flatten)]
    wishes: WishesRow,
    revision: i64,
    updated_at: OffsetDateTime,
}

#[derive(Debug, FromRow)]
struct PlacedRow {
    place: i64,
    #[sqlx(flatten)]
    row: Row,
}

/// A rule as its column holds it.
#[derive(Debug, Serialize, Deserialize)]
struct Rule {
    types: String,
    channels: Vec<ChannelName>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChannelName {
    Live,
    Email,
}

#[async_trait]
impl PreferenceStore for PgNotifications {
    async fn find(&self, reader: &Reader) -> Result<Option<StoredPreferences>, StoreError> {
        let mut tx = self.database.tenant_tx(reader.tenant).await?;
        let row: Option<Row> = sqlx::query_as(FIND)
            .bind(reader.tenant.as_uuid())
            .bind(reader.user.as_str())
            .fetch_optional(tx.conn())
            .await
            .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(row.map(read).transpose()?)
    }

    async fn put(
        &self,
        reader: &Reader,
        preferences: &Preferences,
        expected: Expected,
    ) -> Result<Option<StoredPreferences>, StoreError> {
        Ok(retrying(|| self.put_preferences(reader, preferences, expected)).await?)
    }
}

impl PgNotifications {
    async fn put_preferences(
        &self,
        reader: &Reader,
        preferences: &Preferences,
        expected: Expected,
    ) -> Result<Option<StoredPreferences>, DbError> {
        let muted: Vec<&str> = preferences.muted.iter().map(Pattern::as_str).collect();
        let quiet = preferences.quiet.as_ref();
        let minute = |minute: Minute| i16::try_from(minute.get()).unwrap_or(i16::MAX);
        let rules: Vec<Rule> = preferences.rules.iter().map(Rule::from).collect();
        let put = match expected {
            Expected::Any => sqlx::query_as(PUT),
            Expected::Revision(_) => sqlx::query_as(REPLACE),
        };
        let put = put
            .bind(reader.tenant.as_uuid())
            .bind(reader.user.as_str())
            .bind(muted)
            .bind(quiet.map(|quiet| minute(quiet.start())))
            .bind(quiet.map(|quiet| minute(quiet.end())))
            .bind(quiet.map(|quiet| quiet.zone().as_str()))
            .bind(Json(rules))
            .bind(preferences.names_email());
        let put = match expected {
            Expected::Any => put,
            Expected::Revision(revision) => put.bind(column_seq(revision)),
        };
        let mut tx = self.database.tenant_tx(reader.tenant).await?;
        let row: Option<Row> = put.fetch_optional(tx.conn()).await?;
        tx.commit().await?;
        row.map(read).transpose()
    }
}

/// What each of these readers prefers, by their place from 1.
pub(super) async fn of_readers(
    conn: &mut PgConnection,
    tenants: &[Uuid],
    users: &[&str],
) -> Result<Vec<(i64, Preferred)>, DbError> {
    let rows: Vec<PlacedRow> = sqlx::query_as(OF_READERS)
        .bind(tenants)
        .bind(users)
        .fetch_all(conn)
        .await?;
    let known = rows.into_iter().map(|PlacedRow { place, row }| {
        let preferred = Preferred {
            preferences: Arc::new(row.wishes.read()),
            revision: seq(row.revision),
        };
        (place, preferred)
    });
    Ok(known.collect())
}

/// A change as rows say it: of whom, and which revision it made.
pub(super) type ChangeRow = (Uuid, String, i64);

/// Who changed what they prefer.
pub(super) fn change((tenant, user, revision): ChangeRow) -> Result<(Reader, u64), DbError> {
    let reader = Reader {
        tenant: TenantId::from_uuid(tenant),
        user: user.parse().map_err(unreadable)?,
    };
    Ok((reader, seq(revision)))
}

fn read(row: Row) -> Result<StoredPreferences, DbError> {
    Ok(StoredPreferences {
        preferred: Preferred {
            preferences: Arc::new(row.wishes.try_read()?),
            revision: seq(row.revision),
        },
        updated_at: row.updated_at,
    })
}

impl WishesRow {
    /// What it says. One person's row that cannot be read must not keep others from theirs: that
    /// person is taken for somebody who said nothing.
    pub(super) fn read(&self) -> Preferences {
        self.try_read().unwrap_or_else(|error| {
            tracing::error!(
                event = "preferences.unreadable",
                error = &error as &dyn std::error::Error,
                "what somebody prefers cannot be read: they are taken for who said nothing"
            );
            Preferences::default()
        })
    }

    fn try_read(&self) -> Result<Preferences, DbError> {
        let muted: Result<Vec<Pattern>, _> =
            self.muted_types.iter().map(|text| text.parse()).collect();
        let quiet = match (self.quiet_start, self.quiet_end, &self.quiet_zone) {
            (Some(start), Some(end), Some(zone)) => Some(hours(start, end, zone)?),
            (_, _, _) => None,
        };
        let rules: Result<Vec<ChannelRule>, _> = self.channel_rules.0.iter().map(rule).collect();
        Ok(Preferences {
            muted: muted.map_err(unreadable)?,
            quiet,
            rules: rules?,
        })
    }
}

fn hours(start: i16, end: i16, zone: &str) -> Result<QuietHours, DbError> {
    let start = Minute::try_from(i32::from(start)).map_err(unreadable)?;
    let end = Minute::try_from(i32::from(end)).map_err(unreadable)?;
    let zone = zone.parse().map_err(unreadable)?;
    QuietHours::new(start, end, zone).map_err(unreadable)
}

fn rule(rule: &Rule) -> Result<ChannelRule, DbError> {
    let channels = rule.channels.iter().map(|channel| match channel {
        ChannelName::Live => Channel::Live,
        ChannelName::Email => Channel::Email,
    });
    Ok(ChannelRule {
        types: rule.types.parse().map_err(unreadable)?,
        channels: channels.collect(),
    })
}

impl From<&ChannelRule> for Rule {
    fn from(rule: &ChannelRule) -> Self {
        let channels = rule.channels.iter().map(|channel| match channel {
            Channel::Live => ChannelName::Live,
            Channel::Email => ChannelName::Email,
        });
        Self {
            types: rule.types.to_string(),
            channels: channels.collect(),
        }
    }
}
