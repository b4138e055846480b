//! Sends the mails that an event leads to, each once.

use std::sync::Arc;

use sutler_gateways::mail::{Mail, MailError, Mailer, SesMailer};
use sutler_http::problem::chain;
use sutler_runtime::{Handled, worker::QueueMessage};
use sutler_services::{App, Error, mails};
use sutler_store::mail_claims::Claim;

use crate::publish_events::event_of;

/// What this worker works with.
pub struct Post {
    /// The use cases' needs.
    pub app: App,
    /// The mail service.
    pub mailer: Arc<dyn Mailer>,
}

impl Post {
    /// Reads configuration.
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn connect() -> Result<Self, lambda_runtime::Error> {
        let (config, app) = sutler_runtime::start()?;
        let client = sutler_runtime::aws::sesv2(&config)?;
        let mailer = Arc::new(SesMailer::new(client, config.text("MAIL_FROM")?.to_owned()));
        Ok(Self { app, mailer })
    }
}

/// Sends what one event leads to. The event is claimed before its letters are written, for writing one may
/// replace the code in a letter that was sent before; the letters of an event with several are claimed one by
/// one, so that a failure in between repeats none of them.
///
/// # Errors
/// When database or mail service do not answer; the queue then keeps the message.
pub async fn handle(state: &Post, message: QueueMessage) -> Handled {
    let event = event_of(&message)?;
    let whole = format!("{}#all", event.event_id);
    if mails::claim(&state.app, &whole).await? == Claim::AlreadySent {
        return Ok(());
    }
    for (index, letter) in mails::letters(&state.app, &event).await?.into_iter().enumerate() {
        let one = format!("{}#{index}", event.event_id);
        if mails::claim(&state.app, &one).await? == Claim::AlreadySent {
            continue;
        }
        let (text, html) = (letter.text(), letter.html());
        let mail = Mail { to: letter.to, subject: letter.subject, text, html, tag: event.event_id.clone() };
        match state.mailer.send(&mail).await {
            Ok(()) => {
                tracing::info!(event.id = event.event_id, event.aggregate = event.aggregate, "Sent a mail");
            }
            // No later try would do better, and the other mails of the event are to be sent.
            Err(error @ MailError::Rejected(_)) => {
                tracing::error!(event.id = event.event_id, error.chain = %chain(&error), "Gave up a mail: {error}");
            }
            Err(error @ MailError::Unavailable(_)) => return Err(Error::Internal(error.into())),
        }
        mails::sent(&state.app, &one).await?;
    }
    mails::sent(&state.app, &whole).await
}
