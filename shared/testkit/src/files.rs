//! S3 inside the process, beneath our own adapter, and the browsers that use its links.
#![expect(clippy::missing_panics_doc, reason = "a test kit reports its own failures by failing the test")]

use std::hash::{DefaultHasher, Hash, Hasher};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::{
    client::{
        http::SharedHttpConnector,
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use sutler_domain::time::Timestamp;
use sutler_gateways::{
    files::FileStore,
    s3::{Bucket, S3},
};

use crate::{TestCloud, cloud::State};

/// Where the files are.
pub(crate) const FILES_URL: &str = "https://files.s3.eu-central-1.amazonaws.com/";

impl TestCloud {
    /// Our adapter of S3.
    #[must_use]
    pub fn files(&self) -> S3 {
        let credentials = Credentials::new("test", "test", None, None, "testkit");
        let url = FILES_URL.trim_end_matches('/').to_owned();
        let bucket = Bucket { url, region: "eu-central-1".to_owned(), credentials };
        S3::new(bucket).through(SharedHttpConnector::new(self.clone()))
    }

    /// Puts a file there, over one that may be there.
    pub fn put_file(&self, key: &str, bytes: &[u8]) {
        self.state().files.insert(key.to_owned(), bytes.to_vec());
    }

    /// A file, if there is one.
    #[must_use]
    pub fn file(&self, key: &str) -> Option<Vec<u8>> {
        self.state().files.get(key).cloned()
    }

    /// The keys of all files.
    #[must_use]
    pub fn file_keys(&self) -> Vec<String> {
        self.state().files.keys().cloned().collect()
    }

    /// What a browser gets for uploading `bytes` to a link: the status. S3 takes only what was signed, in time.
    #[must_use]
    pub fn upload(&self, link: &str, bytes: &[u8], now: Timestamp) -> u16 {
        let (key, signed_at, seconds) = parts(link);
        let size = u64::try_from(bytes.len()).expect("a size");
        let due = self.files().upload_link(key, size, seconds, signed_at).expect("a link");
        if due != link || now > signed_at.plus_seconds(seconds) {
            return 403;
        }
        self.put_file(key, bytes);
        200
    }

    /// What a browser gets at a link.
    #[must_use]
    pub fn download(&self, link: &str, now: Timestamp) -> Option<Vec<u8>> {
        let (key, signed_at, seconds) = parts(link);
        let due = self.files().download_link(key, seconds, signed_at).expect("a link");
        if due == link && now <= signed_at.plus_seconds(seconds) { self.file(key) } else { None }
    }
}

/// The key of a link, when it was signed, and for how long.
fn parts(link: &str) -> (&str, Timestamp, i64) {
    let (key, query) = link.strip_prefix(FILES_URL).and_then(|rest| rest.split_once('?')).expect("a link");
    let parameter = |name: &str| {
        let found = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        found.expect("a signed link")
    };
    let (date, time) = parameter("X-Amz-Date").split_once('T').expect("a date");
    let digits = |text: &str, from, to| text.get(from..to).expect("digits").to_owned();
    let written = format!(
        "{}-{}-{}T{}:{}:{}Z",
        digits(date, 0, 4),
        digits(date, 4, 6),
        digits(date, 6, 8),
        digits(time, 0, 2),
        digits(time, 2, 4),
        digits(time, 4, 6)
    );
    let seconds = parameter("X-Amz-Expires").parse().expect("a number");
    (key, Timestamp::parse(&written).expect("a time"), seconds)
}

impl State {
    /// Answers a call of our adapter.
    pub(crate) fn file_call(&mut self, path: &str, request: &HttpRequest) -> HttpResponse {
        if let Some(status) = self.fault() {
            return response(status, None);
        }
        let key = path.split('?').next().unwrap_or_default().to_owned();
        let answer = match request.method() {
            "GET" => self
                .files
                .get(&key)
                .map_or_else(|| response(404, None), |bytes| response(200, Some(bytes.as_slice()))),
            "PUT" if request.headers().get("if-none-match") == Some("*") && self.files.contains_key(&key) => {
                response(412, None)
            }
            "PUT" => {
                self.files.insert(key, request.body().bytes().unwrap_or_default().to_vec());
                response(200, None)
            }
            _ => response(405, None),
        };
        if self.is_lost() { response(500, None) } else { answer }
    }
}

fn response(status: u16, file: Option<&[u8]>) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("a status code");
    let body = file.map_or_else(SdkBody::empty, |bytes| SdkBody::from(bytes.to_vec()));
    let mut response = HttpResponse::new(status, body);
    if let Some(bytes) = file {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        response.headers_mut().insert("etag", format!("\"{:016x}\"", hasher.finish()));
        response.headers_mut().insert("content-length", bytes.len().to_string());
    }
    response
}
