//! Files of events and sums, in pieces.

use std::pin::Pin;

use futures::Stream;
use tonic::Status;
use tradepost_proto::metrics::v1 as pb;

use super::{AnalyticsApi, READ_ANY, parse, status};
use crate::adapters::grpc::tenant::Reach;
use crate::application::{Content, Export};

/// The pieces, and how it ended.
pub(super) type Pieces =
    Pin<Box<dyn Stream<Item = Result<pb::ExportEventsResponse, Status>> + Send>>;

pub(super) async fn pieces(
    api: &AnalyticsApi,
    reach: &Reach,
    request: &pb::ExportEventsRequest,
) -> Result<Pieces, Status> {
    let tenant = reach.tenant(&request.tenant_id, READ_ANY)?;
    let order = parse::export(request, tenant)?;
    if let Content::Sums { grain, .. } = &order.content {
        api.check_kept(*grain, order.range)?;
    }
    let export = api.exports.begin(order).await;
    let export = export.map_err(|why| status::not_exported(&why))?;
    Ok(Box::pin(futures::stream::try_unfold(export, next)))
}

async fn next(mut export: Export) -> Result<Option<(pb::ExportEventsResponse, Export)>, Status> {
    let piece = export.next().await;
    let piece = piece.map_err(|why| status::not_exported(&why))?;
    Ok(piece.map(|data| (pb::ExportEventsResponse { data }, export)))
}
