//! The certificate of the port, taken up anew when its files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;

use crate::config::TlsConfig;
use crate::metrics::Metrics;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// HTTP/2 is not offered: its streams, resets and header lists would need limits of their own.
const PROTOCOL: &[u8] = b"http/1.1";

/// The certificate that connections are taken with.
pub struct Certificate {
    cert_path: PathBuf,
    key_path: PathBuf,
    handshake_max: Duration,
    current: ArcSwap<ServerConfig>,
    /// Of the files that `current` was made of.
    digest: [u8; 32],
}

/// What stands in the two files.
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// The certificate of `config`, if it names one.
    ///
    /// # Errors
    /// Fails when the files cannot be read, or are no certificate and its key.
    pub async fn load(config: &TlsConfig) -> anyhow::Result<Option<Arc<Self>>> {
        let (Some(cert_path), Some(key_path)) = (&config.cert_path, &config.key_path) else {
            return Ok(None);
        };
        let pair = Pair::read(cert_path, key_path).await?;
        let current = pair.server().context("tls.cert_path and tls.key_path")?;
        let handshake_max = config.handshake_ms.map(Duration::from_millis);
        Ok(Some(Arc::new(Self {
            cert_path: cert_path.clone(),
            key_path: key_path.clone(),
            handshake_max: handshake_max.unwrap_or(HANDSHAKE_MAX),
            current: ArcSwap::from_pointee(current),
            digest: pair.digest(),
        })))
    }

    /// How long a handshake may take.
    pub(super) fn handshake_max(&self) -> Duration {
        self.handshake_max
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Takes up changed files until shutdown. What cannot be used is said once, and the last good
    /// certificate stays.
    pub async fn keep_fresh(self: Arc<Self>, metrics: Metrics, shutdown: CancellationToken) {
        let mut known = self.digest;
        while shutdown
            .run_until_cancelled(tokio::time::sleep(LOOK_EVERY))
            .await
            .is_some()
        {
            match Pair::read(&self.cert_path, &self.key_path).await {
                Ok(pair) => {
                    let digest = pair.digest();
                    if std::mem::replace(&mut known, digest) != digest {
                        metrics.certificate(self.take_up(&pair));
                    }
                }
                Err(error) => {
                    tracing::warn!(event = "tls.unreadable", error = %format!("{error:#}"),
                        "the certificate in use stays");
                }
            }
        }
    }

    /// What became of a new pair.
    fn take_up(&self, pair: &Pair) -> &'static str {
        match pair.server() {
            Ok(server) => {
                self.current.store(Arc::new(server));
                tracing::info!(event = "tls.reloaded", "a new certificate is in use");
                "taken"
            }
            Err(error) => {
                tracing::error!(event = "tls.refused", error = %format!("{error:#}"),
                    "the new certificate cannot be used; the last good one stays");
                "refused"
            }
        }
    }
}

impl Pair {
    async fn read(cert_path: &PathBuf, key_path: &PathBuf) -> anyhow::Result<Self> {
        let read = async |path: &PathBuf| {
            let bytes = tokio::fs::read(path).await;
            bytes.with_context(|| format!("{} cannot be read", path.display()))
        };
        Ok(Self {
            cert: read(cert_path).await?,
            key: read(key_path).await?,
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(&self.cert);
        // No PEM holds it, so the two cannot run into each other.
        hasher.update([0]);
        hasher.update(&self.key);
        hasher.finalize().into()
    }

    fn server(&self) -> anyhow::Result<ServerConfig> {
        let chain = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<Vec<_>, _>>()
            .context("the certificate is not PEM")?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).context("the key is not PEM")?;
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("no protocol version")?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("the key is not the certificate's")?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(server)
    }
}
