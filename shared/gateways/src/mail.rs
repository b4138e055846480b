//! The port to the mail service, and Amazon SES behind it.

use async_trait::async_trait;
use aws_sdk_sesv2::{
    Client,
    error::BuildError,
    types::{Body, Content, Destination, EmailContent, Message, MessageTag},
};

use crate::{BoxError, aws};

/// Sends mails.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands a mail to the mail service.
    ///
    /// # Errors
    /// See [`MailError`].
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// A mail to one person, in both forms. It holds personal data and has no `Debug` so that it stays out of logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// For readers without HTML.
    pub text: String,
    /// For the rest.
    pub html: String,
    /// Which mail this is, such as `order_paid`: letters, digits, `_` and `-`.
    pub tag: String,
}

/// What a caller may do about a mail that was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Try again later. It may have been sent all the same.
    #[error("the mail service is unavailable")]
    Unavailable(#[source] BoxError),
    /// It will not be sent, however often it is tried.
    #[error("the mail service refused the mail")]
    Rejected(#[source] BoxError),
}

/// Mails through Amazon SES.
#[derive(Debug, Clone)]
pub struct SesMailer {
    client: Client,
    from: String,
}

impl SesMailer {
    /// Sends as `from`, an address or `Name <address>` that SES has verified.
    #[must_use]
    pub fn new(client: Client, from: String) -> Self {
        Self { client, from }
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = message(mail).map_err(|error| MailError::Rejected(error.into()))?;
        let tag = MessageTag::builder().name("message").value(&mail.tag).build();
        let call = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .content(EmailContent::builder().simple(message).build())
            .email_tags(tag.map_err(|error| MailError::Rejected(error.into()))?);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) if aws::is_passing(&error) => Err(MailError::Unavailable(cause(&error))),
            Err(error) => Err(MailError::Rejected(cause(&error))),
        }
    }
}

/// The causes of a failure as text. SES quotes the addresses it does not like, and a log must not hold them.
fn cause(error: &dyn std::error::Error) -> BoxError {
    let chain = aws::chain(error);
    let words = chain.split_whitespace().map(|word| if word.contains('@') { "[address]" } else { word });
    words.collect::<Vec<_>>().join(" ").into()
}

fn message(mail: &Mail) -> Result<Message, BuildError> {
    let content = |text: &str| Content::builder().data(text).charset("UTF-8").build();
    let body = Body::builder().text(content(&mail.text)?).html(content(&mail.html)?).build();
    Ok(Message::builder().subject(content(&mail.subject)?).body(body).build())
}
