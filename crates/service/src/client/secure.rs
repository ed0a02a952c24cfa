//! Connections to `https://` addresses, with the certificates that are in use when one is made.

use std::io;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::tls::Tls;

/// The port of an address without one.
const PORT: u16 = 443;

/// A channel of one connection, made again when it is lost.
pub(super) fn connect(endpoint: &Endpoint, tls: &Tls) -> Channel {
    let tls = tls.clone();
    endpoint.connect_with_connector_lazy(service_fn(move |uri: Uri| {
        let tls = tls.clone();
        async move { open(&tls, &uri).await.map(TokioIo::new) }
    }))
}

async fn open(tls: &Tls, uri: &Uri) -> io::Result<TlsStream<TcpStream>> {
    let host = uri.host().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(PORT))).await?;
    stream.set_nodelay(true)?;
    tls.connector().connect(name, stream).await
}
