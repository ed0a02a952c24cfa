//! The port where services ask who may come in.

use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::gateway::v1::access_service_server::AccessServiceServer;
use tradepost_service::{GrpcServer, Runtime};

use crate::adapters::grpc::{AccessApi, RULES};
use crate::config::AccessConfig;
use crate::http::{Admission, Gateway};

/// Serves it beside the REST port, if it has an address.
pub(super) async fn serve(
    config: &AccessConfig,
    gateway: &Arc<Gateway>,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let Some(addr) = config.listen_addr else {
        return Ok(());
    };
    let listener = TcpListener::bind(addr).await;
    let listener =
        listener.with_context(|| format!("cannot listen on access.listen_addr = {addr}"))?;
    let admission = Admission::new(Arc::clone(gateway));
    let api = AccessApi::new(admission, config.watchers_max, runtime.shutdown.clone());
    let server = GrpcServer::new(runtime)
        .descriptor(FILE_DESCRIPTOR_SET)
        .service(AccessServiceServer::new(api), &RULES);
    runtime.tasks.spawn("access", server.serve(listener));
    Ok(())
}
