//! TLS, and certificates that change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tradepost_testkit::eventually;

use crate::limits::said;
use crate::stage::{SOON, Stage};

const GET: &str = "GET /v1/items/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A pair in two files, which go with it.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("tradepost-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn cert(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.join("key.pem")
    }

    fn write(&self, pair: &Pair) {
        std::fs::write(self.cert(), pair.cert.pem()).unwrap();
        std::fs::write(self.key(), pair.signing_key.serialize_pem()).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

type Pair = CertifiedKey<rcgen::KeyPair>;

fn pair() -> Pair {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

async fn stage(cert: &Path, key: &Path, handshake_ms: Option<u64>) -> Stage {
    let (cert, key) = (cert.to_owned(), key.to_owned());
    Stage::with(|config| {
        config.tls.cert_path = Some(cert);
        config.tls.key_path = Some(key);
        config.tls.handshake_ms = handshake_ms;
    })
    .await
}

/// The answer, if the server shows this certificate; with the protocol that was agreed on.
async fn asked(stage: &Stage, trusted: &CertificateDer<'static>) -> Option<(String, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(stage.addr).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector
        .connect("localhost".try_into().unwrap(), stream)
        .await
        .ok()?;
    let protocol = stream.get_ref().1.alpn_protocol().unwrap().to_vec();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    Some((answer, protocol))
}

#[tokio::test]
async fn an_encrypted_answer_asks_for_encryption_from_then_on() {
    let (files, pair) = (Files::new("plain"), pair());
    files.write(&pair);
    let stage = stage(&files.cert(), &files.key(), None).await;

    let (answer, protocol) = asked(&stage, pair.cert.der()).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("\r\nstrict-transport-security: max-age=31536000\r\n"),
        "{answer}"
    );
    assert_eq!(protocol, b"http/1.1");
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_bad_one_is_not() {
    let (files, old, new) = (Files::new("reload"), pair(), pair());
    files.write(&old);
    let stage = stage(&files.cert(), &files.key(), None).await;
    assert!(asked(&stage, old.cert.der()).await.is_some());

    files.write(&new);
    eventually("the new one is shown", SOON, async || {
        asked(&stage, new.cert.der()).await
    })
    .await;
    assert!(asked(&stage, old.cert.der()).await.is_none());

    std::fs::write(files.cert(), old.cert.pem()).unwrap();
    eventually(
        "the pair that does not match is refused",
        SOON,
        async || {
            stage
                .counts("tls_certificates_total{outcome=\"refused\"} 1")
                .then_some(())
        },
    )
    .await;
    assert!(
        asked(&stage, new.cert.der()).await.is_some(),
        "the last good one stays"
    );
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_cut() {
    let (files, pair) = (Files::new("slow"), pair());
    files.write(&pair);
    let stage = stage(&files.cert(), &files.key(), Some(50)).await;
    let mut silent = TcpStream::connect(stage.addr).await.unwrap();

    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);

    assert!(stage.counts("clients_cut_total{reason=\"handshake\"} 1"));
    let plain = said(stage.addr, GET).await;
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
}

#[tokio::test]
async fn without_the_files_it_does_not_start() {
    let files = Files::new("none");
    let stage = stage(&files.cert(), &files.key(), None).await;

    let ended = stage.served.await.unwrap();

    assert!(format!("{:#}", ended.unwrap_err()).contains("cert.pem"));
}
