//! A remote object store over a folder: so much of the protocols of S3 and of Google's store as the
//! archive speaks. The two are one but for how an object is removed and how a caller is known.
//!
//! What it checks: the bucket, that a caller of S3 shows credentials (Google's are asked for elsewhere, which
//! is switched off here), that an upload names its parts, and that
//! no part but the last is below 5 MiB. An object is there when its upload was completed, not before.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as At, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tokio::net::TcpListener;
use uuid::Uuid;

/// The bucket that is there.
pub(super) const BUCKET: &str = "shop-archive";
const PART_MIN: usize = 5 * 1_024 * 1_024;

type Asked = Query<BTreeMap<String, String>>;
type Parts = BTreeMap<u32, Bytes>;

/// How the archive reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maker {
    Amazon,
    Google,
}

struct Shelf {
    maker: Maker,
    folder: PathBuf,
    uploads: Mutex<BTreeMap<String, Parts>>,
}

/// A store that serves as long as the test runs.
pub(super) struct Bucket {
    endpoint: String,
    shelf: Arc<Shelf>,
}

impl Bucket {
    /// Serves the files of a folder as the objects of [`BUCKET`].
    pub(super) async fn over(folder: &Path, maker: Maker) -> Self {
        let shelf = Arc::new(Shelf {
            maker,
            folder: folder.to_owned(),
            uploads: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/{*path}", any(answer))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shelf));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { endpoint, shelf }
    }

    /// The settings with which a process uses it.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let (url, keys) = match self.shelf.maker {
            Maker::Amazon => (
                format!("s3://{BUCKET}"),
                vec![
                    ("AWS_ENDPOINT", self.endpoint.clone()),
                    ("AWS_ALLOW_HTTP", "true".to_owned()),
                    ("AWS_ACCESS_KEY_ID", "archivist".to_owned()),
                    ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2".to_owned()),
                ],
            ),
            Maker::Google => (
                format!("gs://{BUCKET}"),
                vec![
                    ("GOOGLE_SERVICE_ACCOUNT_KEY", self.account()),
                    ("GOOGLE_ALLOW_HTTP", "true".to_owned()),
                ],
            ),
        };
        let mut settings = vec![("TRADEPOST_METRICS__RETENTION__STORE_URL", url)];
        settings.extend(keys);
        settings
    }

    fn account(&self) -> String {
        serde_json::json!({
            "gcs_base_url": self.endpoint, "disable_oauth": true,
            "client_email": "", "private_key": "", "private_key_id": "",
        })
        .to_string()
    }

    /// How many uploads were begun and neither completed nor given up.
    pub(super) fn unfinished(&self) -> usize {
        self.shelf.uploads().len()
    }
}

impl Shelf {
    fn uploads(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Parts>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Response {
        let path = self.folder.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        ([(header::ETAG, "\"1\"")], "").into_response()
    }

    fn get(&self, key: &str, headers: &HeaderMap) -> Response {
        let Ok(bytes) = std::fs::read(self.folder.join(key)) else {
            return refuse(StatusCode::NOT_FOUND, "NoSuchKey");
        };
        let facts = [
            (header::ETAG, "\"1\""),
            (header::LAST_MODIFIED, "Thu, 01 Jan 2026 00:00:00 GMT"),
        ];
        let Some(range) = headers.get(header::RANGE) else {
            return (facts, bytes).into_response();
        };
        let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
        let (from, to) = match range.split_once('-').unwrap() {
            ("", last) => (bytes.len() - last.parse::<usize>().unwrap(), bytes.len()),
            (from, "") => (from.parse().unwrap(), bytes.len()),
            (from, to) => (from.parse().unwrap(), to.parse::<usize>().unwrap() + 1),
        };
        let to = to.min(bytes.len());
        let said = format!("bytes {from}-{}/{}", to - 1, bytes.len());
        let range = [(header::CONTENT_RANGE, said)];
        (
            StatusCode::PARTIAL_CONTENT,
            facts,
            range,
            bytes[from..to].to_vec(),
        )
            .into_response()
    }

    fn remove(&self, key: &str) -> Response {
        let _ = std::fs::remove_file(self.folder.join(key));
        StatusCode::NO_CONTENT.into_response()
    }

    /// S3 removes many at once.
    fn remove_all(&self, body: &str) -> Response {
        let keys = body.split("<Key>").skip(1);
        let mut removed = String::new();
        for key in keys.map(|rest| rest.split("</Key>").next().unwrap()) {
            self.remove(key);
            write!(removed, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
        }
        format!("<DeleteResult>{removed}</DeleteResult>").into_response()
    }

    fn list(&self, prefix: &str) -> Response {
        let mut found = Vec::new();
        super::support::gather(&self.folder, &mut found);
        found.sort();
        let mut listed = String::new();
        for path in found {
            let key = path.strip_prefix(&self.folder).unwrap().display();
            let key = key.to_string();
            if key.starts_with(prefix) {
                let bytes = path.metadata().unwrap().len();
                write!(
                    listed,
                    "<Contents><Key>{key}</Key><Size>{bytes}</Size><ETag>1</ETag>\
                     <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                )
                .unwrap();
            }
        }
        format!("<ListBucketResult>{listed}</ListBucketResult>").into_response()
    }

    fn begin(&self) -> Response {
        let id = Uuid::now_v7().to_string();
        self.uploads().insert(id.clone(), Parts::new());
        format!(
            "<InitiateMultipartUploadResult><UploadId>{id}</UploadId>\
             </InitiateMultipartUploadResult>"
        )
        .into_response()
    }

    fn part(&self, upload: &str, number: u32, bytes: Bytes) -> Response {
        match self.uploads().get_mut(upload) {
            Some(parts) => {
                parts.insert(number, bytes);
                ([(header::ETAG, format!("\"{number}\""))], "").into_response()
            }
            None => refuse(StatusCode::NOT_FOUND, "NoSuchUpload"),
        }
    }

    fn complete(&self, upload: &str, key: &str, body: &str) -> Response {
        let Some(parts) = self.uploads().remove(upload) else {
            return refuse(StatusCode::NOT_FOUND, "NoSuchUpload");
        };
        let named = body.matches("<PartNumber>").count();
        let small = parts
            .values()
            .rev()
            .skip(1)
            .any(|part| part.len() < PART_MIN);
        if named != parts.len() || small {
            return refuse(StatusCode::BAD_REQUEST, "InvalidPart");
        }
        let whole: Vec<u8> = parts.into_values().flatten().collect();
        self.put(key, &whole);
        "<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"
            .into_response()
    }
}

fn refuse(status: StatusCode, code: &str) -> Response {
    (status, format!("<Error><Code>{code}</Code></Error>")).into_response()
}

async fn answer(
    (State(shelf), At(path), Query(query)): (State<Arc<Shelf>>, At<String>, Asked),
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if shelf.maker == Maker::Amazon && !headers.contains_key(header::AUTHORIZATION) {
        return refuse(StatusCode::FORBIDDEN, "AccessDenied");
    }
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    if bucket != BUCKET {
        return refuse(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let text = || String::from_utf8_lossy(&body).into_owned();
    let upload = query.get("uploadId");
    match (method.as_str(), upload) {
        ("POST", None) if query.contains_key("uploads") => shelf.begin(),
        ("POST", None) if query.contains_key("delete") => shelf.remove_all(&text()),
        ("POST", Some(upload)) => shelf.complete(upload, key, &text()),
        ("PUT", Some(upload)) => shelf.part(upload, query["partNumber"].parse().unwrap(), body),
        ("PUT", None) => shelf.put(key, &body),
        ("DELETE", Some(upload)) => {
            shelf.uploads().remove(upload);
            StatusCode::NO_CONTENT.into_response()
        }
        ("DELETE", None) => shelf.remove(key),
        ("GET", None) if key.is_empty() => {
            shelf.list(query.get("prefix").map_or("", String::as_str))
        }
        ("GET", None) => shelf.get(key, &headers),
        _ => refuse(StatusCode::NOT_IMPLEMENTED, "NotImplemented"),
    }
}
