//! Mutual TLS: who is not of a trusted authority is not talked to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::Code;
use tradepost_proto::shipping::v1::shipping_service_client::ShippingServiceClient;
use tradepost_service::client::{ClientOptions, channel};
use tradepost_service::{CommonConfig, Tls, TlsConfig};
use tradepost_testkit::Trust;
use tradepost_types::OrderId;

use crate::support::{Server, eventually, local, shipment, soon, start_trusting};

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }
}

/// The files of one process.
struct Site {
    dir: PathBuf,
}

impl Site {
    /// A certificate of an authority, and whose certificates are taken.
    fn new(of: &Authority, trusting: &[&Authority]) -> Self {
        let dir = env::temp_dir().join(format!("tradepost-tls-{}", OrderId::new()));
        fs::create_dir_all(&dir).expect("a directory");
        let site = Self { dir };
        site.change(of, trusting);
        site
    }

    fn change(&self, of: &Authority, trusting: &[&Authority]) {
        let key = KeyPair::generate().expect("a key");
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let leaf = CertificateParams::new(names).expect("good names");
        let leaf = leaf.signed_by(&key, &of.issuer).expect("a certificate");
        let trusted: Vec<&str> = trusting.iter().map(|ca| ca.pem.as_str()).collect();
        put(&self.dir.join("ca.pem"), &trusted.concat());
        put(&self.dir.join("key.pem"), &key.serialize_pem());
        put(&self.dir.join("cert.pem"), &leaf.pem());
    }

    fn config(&self) -> TlsConfig {
        TlsConfig {
            cert_path: Some(self.dir.join("cert.pem")),
            key_path: Some(self.dir.join("key.pem")),
            ca_path: Some(self.dir.join("ca.pem")),
        }
    }

    async fn serve(&self) -> Server {
        let common = CommonConfig {
            tls: self.config(),
            ..local()
        };
        start_trusting(common, Arc::new(Trust::new())).await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _best_effort = fs::remove_dir_all(&self.dir);
    }
}

fn put(path: &Path, text: &str) {
    let next = path.with_extension("next");
    fs::write(&next, text).expect("it is ours");
    fs::rename(&next, path).expect("it is ours");
}

/// What a call over a new connection with these certificates comes to.
async fn call(server: &Server, site: &Site) -> Result<(), Code> {
    let tls = Tls::load(&site.config()).expect("good certificates");
    let options = ClientOptions {
        tls,
        ..ClientOptions::default()
    };
    let url = server.url.replace("http://", "https://");
    let channel = channel(&url, &options).expect("the url is good");
    let request = server.signed(shipment("ok"));
    let answer = soon(ShippingServiceClient::new(channel).get_shipment(request)).await;
    answer.map(|_shipment| ()).map_err(|status| status.code())
}

#[tokio::test]
async fn processes_of_one_authority_talk() {
    let ours = Authority::new();
    let server = Site::new(&ours, &[&ours]);
    let server = server.serve().await;

    assert_eq!(call(&server, &Site::new(&ours, &[&ours])).await, Ok(()));
}

#[tokio::test]
async fn nobody_else_gets_to_say_a_word() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let site = Site::new(&ours, &[&ours]);
    let server = site.serve().await;

    // It may learn only from its first word that its certificate was not taken.
    let stranger = Site::new(&theirs, &[&ours]);
    assert!(call(&server, &stranger).await.is_err());
    let plain = server.signed(shipment("ok"));
    let plain = soon(server.plain().get_shipment(plain)).await;
    assert!(plain.is_err());
    let text = server.registry.render().expect("the registry renders");
    assert!(
        !text.contains("GetShipment\",code"),
        "no call came in: {text}"
    );
}

#[tokio::test]
async fn a_server_of_another_authority_is_told_nothing() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let site = Site::new(&theirs, &[&ours, &theirs]);
    let server = site.serve().await;

    let careful = Site::new(&ours, &[&ours]);
    assert_eq!(call(&server, &careful).await, Err(Code::Unavailable));
}

#[tokio::test]
async fn certificates_change_without_a_restart() {
    let (old, new) = (Authority::new(), Authority::new());
    let site = Site::new(&old, &[&old]);
    let server = site.serve().await;
    let before = Site::new(&old, &[&old]);
    let after = Site::new(&new, &[&new]);
    assert_eq!(call(&server, &before).await, Ok(()));
    assert_eq!(call(&server, &after).await, Err(Code::Unavailable));

    site.change(&new, &[&new]);

    eventually("the new certificate is in use", async || {
        call(&server, &after).await.ok()
    })
    .await;
    assert_eq!(call(&server, &before).await, Err(Code::Unavailable));
}

#[tokio::test]
async fn broken_files_change_nothing() {
    let ours = Authority::new();
    let site = Site::new(&ours, &[&ours]);
    let server = site.serve().await;
    let client = Site::new(&ours, &[&ours]);

    put(&site.dir.join("key.pem"), "-----BEGIN PRIVATE KEY-----");
    assert_eq!(call(&server, &client).await, Ok(()));
    fs::remove_file(site.dir.join("cert.pem")).expect("it is ours");
    assert_eq!(call(&server, &client).await, Ok(()));
}

#[test]
fn certificates_that_do_not_fit_are_refused_at_the_start() {
    let ours = Authority::new();
    let (one, other) = (Site::new(&ours, &[&ours]), Site::new(&ours, &[&ours]));
    let mixed = TlsConfig {
        key_path: other.config().key_path,
        ..one.config()
    };
    let missing = TlsConfig {
        ca_path: Some(one.dir.join("nowhere.pem")),
        ..one.config()
    };
    let empty = TlsConfig {
        ca_path: one.config().key_path,
        ..one.config()
    };

    for (config, wanted) in [
        (mixed, "the key is not the certificate's"),
        (missing, "nowhere.pem"),
        (empty, "has no certificate"),
    ] {
        let error = format!("{:#}", Tls::load(&config).expect_err("it is refused"));
        assert!(error.contains(wanted), "{error}");
    }
    assert!(Tls::load(&TlsConfig::default()).expect("plain").is_none());
}

#[test]
fn an_https_address_needs_certificates() {
    let error = channel("https://localhost:1", &ClientOptions::default()).expect_err("none");

    assert!(error.to_string().contains("server.tls"), "{error}");
}
