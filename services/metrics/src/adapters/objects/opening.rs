//! From a URL to a store.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use super::{FileLimits, ObjectFiles};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a store may be silent in the midst of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES_MAX: usize = 4;
const RETRY_FOR: Duration = Duration::from_secs(30);

impl ObjectFiles {
    /// The store of a URL: `file:///folder`, which must be there, `s3://bucket/prefix` or
    /// `gs://bucket/prefix`. What else the latter two need comes from the environment, by the names
    /// that their makers gave it (`AWS_…`, `GOOGLE_…`). Nothing is sent yet.
    ///
    /// # Errors
    /// Fails with a sentence for the operator.
    pub fn open(url: &str, limits: FileLimits) -> anyhow::Result<Self> {
        let url = Url::parse(url).context("it is not a URL")?;
        ensure!(
            url.query().is_none() && url.username().is_empty() && url.password().is_none(),
            "it must have neither credentials nor a query: they come from the environment"
        );
        let mut folder = None;
        let store: Arc<dyn ObjectStore> = match url.scheme() {
            "file" => {
                let path = url
                    .to_file_path()
                    .map_err(|()| anyhow!("a file:// URL has an absolute path and no host"))?;
                let about = || format!("the folder {} cannot be used", path.display());
                let files = LocalFileSystem::new_with_prefix(&path).with_context(about)?;
                folder = Some(path);
                Arc::new(files.with_fsync(true))
            }
            "s3" => {
                let builder = AmazonS3Builder::from_env().with_bucket_name(bucket(&url)?);
                let builder = builder.with_retry(retries()).with_http_connector(Connector);
                below(builder.build()?, &url)
            }
            "gs" => {
                let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket(&url)?);
                let builder = builder.with_retry(retries()).with_http_connector(Connector);
                below(builder.build()?, &url)
            }
            other => bail!("it starts with file://, s3:// or gs://, not {other}://"),
        };
        Ok(Self {
            folder,
            ..Self::new(store, limits)
        })
    }
}

fn bucket(url: &Url) -> anyhow::Result<&str> {
    url.host_str().context("it names no bucket")
}

fn below(store: impl ObjectStore, url: &Url) -> Arc<dyn ObjectStore> {
    Arc::new(PrefixStore::new(store, url.path()))
}

fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_FOR,
        ..RetryConfig::default()
    }
}

/// HTTP and TLS of the workspace, in place of those that the library would bring.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        // A provider that was installed before serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let client = reqwest::Client::builder()
            .http1_only()
            .https_only(plain.as_deref() != Some("true"))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(|error| object_store::Error::Generic {
                store: "HTTP",
                source: error.into(),
            })?;
        Ok(HttpClient::new(client))
    }
}

/// Removes files that were being uploaded: the library calls them by their name, `#` and a number,
/// and does not list them.
pub(super) fn remove_staged(folder: &Path) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let staged = name
            .to_string_lossy()
            .rsplit_once(".parquet#")
            .is_some_and(|(_, number)| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
        if staged {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
