//! Whose sums a question is about: one tenant's, or those of all tenants of a plan. Either right opens
//! the methods that tell both, so which of them is needed is looked at here.

use tonic::Status;
use tradepost_service::error::Violations;

use super::{READ, READ_ANY, parse};
use crate::adapters::grpc::DOMAIN;
use crate::adapters::grpc::tenant::Reach;
use crate::ports::Whose;

pub(super) fn whose(reach: &Reach, tenant_id: &str, plan: &str) -> Result<Whose, Status> {
    if plan.is_empty() {
        reach.require(READ)?;
        return reach.tenant(tenant_id, READ_ANY).map(Whose::Tenant);
    }
    let mut faults = Violations::new();
    parse::plan(&mut faults, plan);
    if !tenant_id.is_empty() {
        faults.add("tenant_id", "must be empty where a plan is named");
    }
    faults.check(DOMAIN)?;
    reach.require(READ_ANY)?;
    Ok(Whose::Plan(plan.to_owned()))
}
