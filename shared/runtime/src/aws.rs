//! Clients of AWS services. One HTTP client is shared by all of them. Lambda hands over credentials and region
//! in the environment, so nothing is looked up at start.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region, sdk_config::SharedCredentialsProvider};

use crate::{Config, ConfigError};

/// The longest one attempt of a call may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest a call may take with all its attempts.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What all clients have in common.
///
/// # Errors
/// [`ConfigError`] when Lambda's own variables are missing.
pub fn sdk_config(config: &Config) -> Result<SdkConfig, ConfigError> {
    let credentials = credentials(config)?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    let mut builder = SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(Region::new(config.text("AWS_REGION")?.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .operation_timeout(CALL_TIMEOUT)
                .build(),
        )
        .retry_config(RetryConfig::standard())
        .http_client(http);
    if let Some(url) = config.optional("AWS_ENDPOINT_URL") {
        builder = builder.endpoint_url(url);
    }
    Ok(builder.build())
}

fn credentials(config: &Config) -> Result<Credentials, ConfigError> {
    Ok(Credentials::new(
        config.text("AWS_ACCESS_KEY_ID")?,
        config.text("AWS_SECRET_ACCESS_KEY")?,
        config.optional("AWS_SESSION_TOKEN").map(str::to_owned),
        None,
        "environment",
    ))
}

/// The database client. It does not retry: the store does, knowing what a repetition means.
///
/// # Errors
/// [`ConfigError`] as [`sdk_config`].
pub fn dynamodb(config: &Config) -> Result<aws_sdk_dynamodb::Client, ConfigError> {
    let shared = sdk_config(config)?;
    let own = aws_sdk_dynamodb::config::Builder::from(&shared).retry_config(RetryConfig::disabled()).build();
    Ok(aws_sdk_dynamodb::Client::from_conf(own))
}

/// The queue client.
///
/// # Errors
/// [`ConfigError`] as [`sdk_config`].
#[cfg(feature = "queue")]
pub fn sqs(config: &Config) -> Result<aws_sdk_sqs::Client, ConfigError> {
    Ok(aws_sdk_sqs::Client::new(&sdk_config(config)?))
}

/// The event bus client.
///
/// # Errors
/// [`ConfigError`] as [`sdk_config`].
#[cfg(feature = "bus")]
pub fn eventbridge(config: &Config) -> Result<aws_sdk_eventbridge::Client, ConfigError> {
    Ok(aws_sdk_eventbridge::Client::new(&sdk_config(config)?))
}

/// The mail client.
///
/// # Errors
/// [`ConfigError`] as [`sdk_config`].
#[cfg(feature = "mail")]
pub fn sesv2(config: &Config) -> Result<aws_sdk_sesv2::Client, ConfigError> {
    Ok(aws_sdk_sesv2::Client::new(&sdk_config(config)?))
}

/// The secrets client.
///
/// # Errors
/// [`ConfigError`] as [`sdk_config`].
#[cfg(feature = "secrets")]
pub fn secrets(config: &Config) -> Result<aws_sdk_secretsmanager::Client, ConfigError> {
    Ok(aws_sdk_secretsmanager::Client::new(&sdk_config(config)?))
}

/// The bucket that `BUCKET_FILES` names; at the local AWS, which has one address for all services, by its path.
///
/// # Errors
/// [`ConfigError`] when a setting is missing.
#[cfg(feature = "files")]
pub fn files(config: &Config) -> Result<sutler_gateways::s3::S3, ConfigError> {
    use sutler_gateways::s3::{Bucket, S3};
    let (bucket, region) = (config.text("BUCKET_FILES")?, config.text("AWS_REGION")?);
    let url = match config.optional("AWS_ENDPOINT_URL") {
        Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
        None => format!("https://{bucket}.s3.{region}.amazonaws.com"),
    };
    Ok(S3::new(Bucket { url, region: region.to_owned(), credentials: credentials(config)? }))
}

/// How Amazon Location is reached, at `base_url` if there is one.
///
/// # Errors
/// [`ConfigError`] as [`sdk_config`].
#[cfg(feature = "addresses")]
pub fn geoplaces(
    config: &Config,
    base_url: Option<&str>,
) -> Result<aws_sdk_geoplaces::config::Builder, ConfigError> {
    let own = aws_sdk_geoplaces::config::Builder::from(&sdk_config(config)?);
    Ok(match base_url {
        Some(url) => own.endpoint_url(url),
        None => own,
    })
}
