//! Mutual TLS between services: who is not of the same authority is not talked to.
//!
//! It comes besides the tokens, not instead of them: a certificate says which process is at the
//! other end, a token says for whom it calls.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use garde::Validate;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;

use crate::files::Files;

/// gRPC is HTTP/2.
const PROTOCOL: &[u8] = b"h2";

/// The certificate of a process, which it shows to those it calls and, if it serves gRPC, to those
/// that call it; and whose certificates it takes from them. All three or none: without them
/// connections are plain.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain (PEM), the process's own first. Its names must have the host that
    /// others call it by. All three files are read again when they change.
    #[garde(custom(together(&self.key_path, &self.ca_path)))]
    pub cert_path: Option<PathBuf>,
    /// Its private key (PEM).
    #[garde(skip)]
    pub key_path: Option<PathBuf>,
    /// The authorities (PEM) whose certificates are taken, of servers and of callers.
    #[garde(skip)]
    pub ca_path: Option<PathBuf>,
}

fn together<'a>(
    key: &'a Option<PathBuf>,
    ca: &'a Option<PathBuf>,
) -> impl FnOnce(&Option<PathBuf>, &()) -> garde::Result + 'a {
    move |cert, ()| {
        let given = [cert, key, ca].iter().filter(|path| path.is_some()).count();
        if matches!(given, 0 | 3) {
            return Ok(());
        }
        let message = "cert_path, key_path and ca_path go together: all or none";
        Err(garde::Error::new(message))
    }
}

/// The certificates in use, for both directions. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    files: Files,
    both: ArcSwap<Both>,
}

struct Both {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// The certificates of `config`, if it names any.
    ///
    /// # Errors
    /// Fails when they cannot be read or do not fit together. No text of it shows the key.
    pub fn load(config: &TlsConfig) -> anyhow::Result<Option<Self>> {
        let paths = [&config.cert_path, &config.key_path, &config.ca_path];
        let [Some(cert), Some(key), Some(ca)] = paths else {
            return Ok(None);
        };
        let files = Files::new([cert, key, ca]);
        let contents = files.read().context("server.tls")?;
        let both = Both::read(&contents).context("server.tls")?;
        Ok(Some(Self(Arc::new(Inner {
            files: files.seen(&contents),
            both: ArcSwap::from_pointee(both),
        }))))
    }

    /// Follows the files until shutdown. New connections use the new certificates.
    pub(crate) async fn follow(self, poll: Duration, shutdown: CancellationToken) {
        let files = self.0.files.clone();
        files
            .follow("server.tls", poll, shutdown, |contents| {
                self.0.both.store(Arc::new(Both::read(contents)?));
                Ok(())
            })
            .await;
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.both.load().server))
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.0.both.load().client))
    }
}

impl Both {
    /// Certificate, key and authorities, in that order.
    fn read(contents: &[Vec<u8>]) -> anyhow::Result<Self> {
        let [cert, key, ca] = contents else {
            anyhow::bail!("three files are needed");
        };
        let chain = certificates(cert).context("the certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key).context("the key is not PEM")?;
        let mut roots = RootCertStore::empty();
        for root in certificates(ca).context("the authorities")? {
            roots.add(root).context("an authority cannot be used")?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let server = server(
            &provider,
            Arc::clone(&roots),
            chain.clone(),
            key.clone_key(),
        );
        let client = client(&provider, roots, chain, key);
        Ok(Self {
            server: Arc::new(server?),
            client: Arc::new(client?),
        })
    }
}

fn server(
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<ServerConfig> {
    let callers = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
        .build()
        .context("the authorities cannot be used")?;
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .context("TLS 1.3 is not there")?
        .with_client_cert_verifier(callers)
        .with_single_cert(chain, key)
        .context("the key is not the certificate's")?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

fn client(
    provider: &Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> anyhow::Result<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13])
        .context("TLS 1.3 is not there")?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .context("the key is not the certificate's")?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .context("is not PEM")?;
    anyhow::ensure!(!found.is_empty(), "has no certificate");
    Ok(found)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.0.files).finish()
    }
}
