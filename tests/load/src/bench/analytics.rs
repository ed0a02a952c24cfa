//! Tenant analytics over gRPC and PostgreSQL, on the same cores as the load: how fast events are
//! stored, how fast a long history is answered from, and how fast its oldest days go into files.

mod archive;
mod durable;
mod history;
mod questions;
mod report;
mod space;

use sqlx::{Connection, PgConnection};
use tonic::transport::Channel;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::analytics_service_client::AnalyticsServiceClient;

use super::target::{Draw, Target, TargetError};

pub use archive::Archive;
pub use durable::Durable;
pub use history::{History, Progress};
pub use report::{Cached, Reports};

/// Plans, and one in how many tenants is on it; the others are on the last.
const PLANS: [(&str, usize); 3] = [("enterprise", 10), ("pro", 3), ("free", 1)];

type Client = AnalyticsServiceClient<Channel>;

/// The plan of the tenant of a rank.
fn plan(rank: usize) -> &'static str {
    let found = PLANS
        .iter()
        .find(|(_, one_in)| rank.is_multiple_of(*one_in));
    found.map_or("free", |(plan, _)| plan)
}

/// Says which plan every tenant is on.
async fn put_plans(target: &Target, draw: &Draw) -> Result<(), TargetError> {
    let mut client = client(target).await?;
    for (rank, tenant) in draw.tenants().iter().enumerate() {
        let put = pb::PutTenantRequest {
            tenant_id: tenant.to_string(),
            plan: plan(rank).to_owned(),
            plan_version: 1,
        };
        client.put_tenant(target.request(put)?).await?;
    }
    Ok(())
}

async fn client(target: &Target) -> Result<Client, TargetError> {
    let channel = target.channels().await?.pop();
    let none = || TargetError::Wrong("there is no connection".to_owned());
    Ok(Client::new(channel.ok_or_else(none)?))
}

/// A connection of a superuser, who looks from outside.
async fn admin(url: &str) -> Result<PgConnection, TargetError> {
    Ok(PgConnection::connect(url).await?)
}

/// All events, as the sums by day say.
async fn counted(url: &str) -> Result<u64, TargetError> {
    let sum = "select coalesce(sum(n), 0)::bigint from rollup_days";
    let sum: i64 = sqlx::query_scalar(sum)
        .fetch_one(&mut admin(url).await?)
        .await?;
    Ok(sum.unsigned_abs())
}
