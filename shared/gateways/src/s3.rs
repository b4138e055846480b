//! Amazon S3, by signed links alone: what others are given to upload and fetch is also what we read and write with.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    identity::Identity,
    orchestrator::{HttpRequest, HttpResponse},
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use sutler_domain::time::Timestamp;

use crate::{
    calls::{CallLimits, Cause, Failure, Verdict},
    files::{FileError, FileStore, NewFile, StoredFile},
    json_http::{HttpFailure, Https},
};

/// How long a link works that we use ourselves, at once.
const OWN_SECONDS: i64 = 60;
/// Files take longer than other calls.
const LIMITS: CallLimits = CallLimits {
    deadline: Duration::from_secs(20),
    try_timeout: Duration::from_secs(9),
    tries_max: 3,
    backoff: Duration::from_millis(200),
};

/// Where the files are, and who signs.
pub struct Bucket {
    /// The address of the bucket, without a trailing slash.
    pub url: String,
    /// Where it is.
    pub region: String,
    /// Who signs.
    pub credentials: Credentials,
}

/// One bucket.
pub struct S3 {
    url: String,
    region: String,
    identity: Identity,
    https: Https,
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What reading came to.
enum Fetched {
    File(StoredFile),
    Missing,
    TooLarge,
}

type Headers<'a> = [(&'a str, &'a str)];

impl S3 {
    /// The files of `bucket`.
    #[must_use]
    pub fn new(bucket: Bucket) -> Self {
        let Bucket { url, region, credentials } = bucket;
        Self { url, region, identity: credentials.into(), https: Https::default() }
    }

    /// Makes calls through another connector.
    #[must_use]
    pub fn through(self, connector: SharedHttpConnector) -> Self {
        Self { https: Https::of(connector), ..self }
    }

    /// The address of `key` with a signature of method and headers, which the call must then have.
    fn link(
        &self,
        method: &str,
        key: &str,
        headers: &Headers<'_>,
        seconds: i64,
        now: Timestamp,
    ) -> Result<String, FileError> {
        let since = Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
        let time = SystemTime::UNIX_EPOCH
            .checked_add(since)
            .ok_or_else(|| FileError::Rejected("no such time".into()))?;
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name("s3")
            .time(time)
            .settings(settings)
            .build()
            .map_err(|error| FileError::Rejected(error.into()))?;
        let url = format!("{}/{key}", self.url);
        let headers = headers.iter().copied();
        let request = SignableRequest::new(method, url.as_str(), headers, SignableBody::UnsignedPayload);
        let request = request.map_err(|error| FileError::Rejected(error.into()))?;
        let signed = sign(request, &params.into()).map_err(|error| FileError::Rejected(error.into()))?;
        let (instructions, _) = signed.into_parts();
        let (_, query) = instructions.into_parts();
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        Ok(format!("{url}?{query}"))
    }

    async fn fetch(&self, link: &str, bytes_max: u64) -> Result<Fetched, HttpFailure> {
        let response = self.send(request("GET", link, &[], SdkBody::empty())?).await?;
        let header = |name| response.headers().get(name).map(str::to_owned);
        let announced = header("content-length").and_then(|text| text.parse::<u64>().ok());
        match response.status().as_u16() {
            200 if announced.is_some_and(|bytes| bytes > bytes_max) => Ok(Fetched::TooLarge),
            200 => {
                let etag = header("etag").ok_or_else(|| HttpFailure::Unreadable("no etag".to_owned()))?;
                let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
                let body = Limited::new(response.into_body(), limit).collect().await;
                let body = body.map_err(|error| HttpFailure::Transport(error.to_string()))?;
                Ok(Fetched::File(StoredFile { etag, bytes: body.to_bytes().to_vec() }))
            }
            404 => Ok(Fetched::Missing),
            status => Err(refused(status)),
        }
    }

    async fn store(&self, link: &str, headers: &Headers<'_>, bytes: &[u8]) -> Result<(), HttpFailure> {
        let response = self.send(request("PUT", link, headers, SdkBody::from(bytes.to_vec()))?).await?;
        match response.status().as_u16() {
            // The key is new, so what is there is what a try before this one wrote.
            200 | 412 => Ok(()),
            status => Err(refused(status)),
        }
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let sent = self.https.connector().call(request).await;
        sent.map_err(|error| HttpFailure::Transport(error.to_string()))
    }
}

/// What S3 says in a body names keys and signatures, so it is not repeated.
fn refused(status: u16) -> HttpFailure {
    HttpFailure::Refused { status, code: "storage".to_owned() }
}

fn request(
    method: &str,
    link: &str,
    headers: &Headers<'_>,
    body: SdkBody,
) -> Result<HttpRequest, HttpFailure> {
    let mut request = HttpRequest::new(body);
    request.set_method(method).map_err(|_| HttpFailure::Invalid("method".to_owned()))?;
    request.set_uri(link).map_err(|_| HttpFailure::Invalid("address".to_owned()))?;
    for (name, value) in headers {
        let inserted = request.headers_mut().try_insert((*name).to_owned(), (*value).to_owned());
        inserted.map_err(|_| HttpFailure::Invalid("header".to_owned()))?;
    }
    Ok(request)
}

/// One try, with a deadline of its own.
async fn in_time<T>(attempt: impl Future<Output = Result<T, HttpFailure>> + Send) -> Result<T, HttpFailure> {
    tokio::time::timeout(LIMITS.try_timeout, attempt).await.unwrap_or(Err(HttpFailure::Timeout))
}

impl From<Failure<HttpFailure>> for FileError {
    fn from(Failure { cause, .. }: Failure<HttpFailure>) -> Self {
        match cause.verdict() {
            Verdict::Final => Self::Rejected(cause.into()),
            Verdict::Unknown | Verdict::Busy => Self::Unavailable(cause.into()),
        }
    }
}

#[async_trait]
impl FileStore for S3 {
    fn upload_link(&self, key: &str, bytes: u64, seconds: i64, now: Timestamp) -> Result<String, FileError> {
        self.link("PUT", key, &[("content-length", bytes.to_string().as_str())], seconds, now)
    }

    fn download_link(&self, key: &str, seconds: i64, now: Timestamp) -> Result<String, FileError> {
        self.link("GET", key, &[], seconds, now)
    }

    async fn read(&self, key: &str, bytes_max: u64, now: Timestamp) -> Result<Option<StoredFile>, FileError> {
        let link = self.link("GET", key, &[], OWN_SECONDS, now)?;
        match LIMITS.call(key, || in_time(self.fetch(&link, bytes_max))).await? {
            Fetched::File(file) => Ok(Some(file)),
            Fetched::Missing => Ok(None),
            Fetched::TooLarge => Err(FileError::TooLarge),
        }
    }

    async fn write(&self, file: NewFile<'_>, now: Timestamp) -> Result<(), FileError> {
        let NewFile { key, content_type, file_name, bytes } = file;
        let disposition = format!("attachment; filename=\"{file_name}\"");
        let headers = [
            ("content-type", content_type),
            ("content-disposition", disposition.as_str()),
            ("if-none-match", "*"),
        ];
        let link = self.link("PUT", key, &headers, OWN_SECONDS, now)?;
        Ok(LIMITS.call(key, || in_time(self.store(&link, &headers, bytes))).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(url: &str, token: Option<&str>) -> S3 {
        let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let credentials = Credentials::new(id, secret, token.map(str::to_owned), None, "test");
        S3::new(Bucket { url: url.to_owned(), region: "us-east-1".to_owned(), credentials })
    }

    fn parameter<'a>(link: &'a str, name: &str) -> Option<&'a str> {
        let (_, query) = link.split_once('?').unwrap();
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    #[test]
    fn a_link_is_signed_as_amazon_documents_it() {
        let now = Timestamp::parse("2013-05-24T00:00:00Z").unwrap();
        let files = bucket("https://examplebucket.s3.amazonaws.com", None);
        let link = files.download_link("test.txt", 86_400, now).unwrap();
        assert!(link.starts_with("https://examplebucket.s3.amazonaws.com/test.txt?"), "{link}");
        let known = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert_eq!(parameter(&link, "X-Amz-Signature"), Some(known));
        let credential = "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request";
        assert_eq!(parameter(&link, "X-Amz-Credential"), Some(credential));
        assert_eq!(parameter(&link, "X-Amz-Expires"), Some("86400"));
    }

    #[test]
    fn an_upload_has_exactly_the_size_that_was_signed() {
        let now = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
        let files = bucket("http://127.0.0.1:4510/files", Some("a+token/with=signs"));
        let link = |bytes| files.upload_link("imports/x.csv", bytes, 900, now).unwrap();
        assert_eq!(parameter(&link(5), "X-Amz-SignedHeaders"), Some("content-length%3Bhost"));
        // As another implementation signs it.
        let known = "32ececc7bc2880fee7033b7686f4e82edf71294ce0864ccd13fda5eaa35e21c6";
        assert_eq!(parameter(&link(5), "X-Amz-Signature"), Some(known));
        assert_ne!(
            parameter(&link(5), "X-Amz-Signature"),
            parameter(&link(6), "X-Amz-Signature"),
            "another size has another signature"
        );
        assert_eq!(parameter(&link(5), "X-Amz-Security-Token"), Some("a%2Btoken%2Fwith%3Dsigns"));
    }

    #[test]
    fn what_shows_itself_holds_no_secret() {
        let shown = format!("{:?}", bucket("https://files", Some("token")));
        assert!(!shown.contains("wJalr") && !shown.contains("token"), "{shown}");
    }
}
