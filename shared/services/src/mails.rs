//! Which mails an event leads to, and what they say.

use sutler_domain::{
    event::{Event, EventKind},
    ids::{OrderId, SellerId, UserId},
    order::{CancelReason, Part, Totals},
    payment::RefundReason,
    problem::Problem,
};
use sutler_store::{mail_claims::Claim, orders::OrderAggregate};

use crate::{App, Error, identity};

/// A mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Paragraphs, each a line of plain text.
    pub paragraphs: Vec<String>,
    /// Where to go on.
    pub link: Option<String>,
}

impl Letter {
    /// The plain text form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.paragraphs.join("\n\n");
        if let Some(link) = &self.link {
            text.push_str("\n\n");
            text.push_str(link);
        }
        text.push('\n');
        text
    }

    /// The HTML form; everything in it is escaped.
    #[must_use]
    pub fn html(&self) -> String {
        let mut body = String::new();
        for paragraph in &self.paragraphs {
            body.extend(["<p>", &escape(paragraph).replace('\n', "<br>"), "</p>"]);
        }
        if let Some(link) = &self.link {
            let link = escape(link);
            body.extend(["<p><a href=\"", &link, "\">", &link, "</a></p>"]);
        }
        format!("<!doctype html><html><body style=\"font-family:sans-serif\">{body}</body></html>")
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// Claims the sending of a mail, so that it is sent once.
///
/// # Errors
/// [`Error`] when the database does not answer, or while another worker is sending it.
pub async fn claim(app: &App, mail: &str) -> Result<Claim, Error> {
    Ok(app.store.claim_mail(mail, app.now()).await?)
}

/// Notes that a claimed mail is with the mail service.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn sent(app: &App, mail: &str) -> Result<(), Error> {
    Ok(app.store.mail_sent(mail).await?)
}

/// The mails that an event leads to.
///
/// # Errors
/// [`Error`] when the database does not answer.
pub async fn letters(app: &App, event: &Event) -> Result<Vec<Letter>, Error> {
    match &event.event {
        EventKind::VerificationRequested { user } => Ok(verification(app, user).await?.into_iter().collect()),
        EventKind::OrderPlaced { .. }
        | EventKind::OrderPaid { .. }
        | EventKind::OrderCancelled { .. }
        | EventKind::OrderRefunded { .. }
        | EventKind::PaymentRefunded { .. }
        | EventKind::PartShipped { .. } => {
            let id = OrderId::parse(&event.aggregate).map_err(|e| Error::Internal(e.into()))?;
            let order = app.store.order(&id).await?.ok_or(Problem::NotFound)?;
            about_order(app, &order, &event.event).await
        }
        EventKind::OrderCompleted {}
        | EventKind::OrderClaimed {}
        | EventKind::PaymentFailed { .. }
        | EventKind::RefundRequested { .. }
        | EventKind::PartDelivered { .. }
        | EventKind::UserVerified { .. } => Ok(Vec::new()),
    }
}

async fn verification(app: &App, user: &UserId) -> Result<Option<Letter>, Error> {
    let Some(mail) = identity::issue_verification(app, user).await? else { return Ok(None) };
    Ok(Some(Letter {
        to: mail.email,
        subject: "Confirm your e-mail address".to_owned(),
        paragraphs: vec![
            format!("Hello {},", mail.username),
            "please confirm that this address is yours by opening the link below within 24 hours.".to_owned(),
            format!("Or paste this code: {}", mail.token),
        ],
        link: Some(format!("{}/verify-email?token={}", app.settings.frontend_url, mail.token)),
    }))
}

async fn about_order(app: &App, order: &OrderAggregate, event: &EventKind) -> Result<Vec<Letter>, Error> {
    let head = &order.order.value;
    let id = &head.id;
    let to_buyer = |subject: String, paragraphs: Vec<String>| Letter {
        to: head.email.clone(),
        subject,
        paragraphs,
        link: Some(format!("{}/orders/{id}", app.settings.frontend_url)),
    };
    Ok(match event {
        EventKind::OrderPlaced { total, expires_at } => {
            let mut paragraphs = vec![format!("Thank you. We received your order {id}:")];
            paragraphs.extend(order.parts.iter().map(|part| goods(&part.value)));
            paragraphs.push(format!("{} Together: {}.", costs(&head.totals), total.display()));
            paragraphs.push(format!("Please pay before {}.", expires_at.in_words()));
            vec![to_buyer(format!("Your order {id}"), paragraphs)]
        }
        EventKind::OrderPaid { amount, .. } => {
            let text = format!("We received your payment of {} for order {id}.", amount.display());
            let mut letters = vec![to_buyer(format!("Payment received for order {id}"), vec![text])];
            letters.extend(
                to_sellers(app, order, "New sale", "You sold something. Please send it soon.").await?,
            );
            letters
        }
        // Its buyer is told when the money has gone back.
        EventKind::OrderRefunded { .. } => {
            to_sellers(app, order, "Cancelled sale", "The buyer cancelled. Please do not send anything.")
                .await?
        }
        EventKind::OrderCancelled { reason, .. } => {
            let text = match reason {
                CancelReason::Buyer => format!("Your order {id} is cancelled, as you asked."),
                CancelReason::Expired => {
                    format!("Your order {id} was not paid in time and is cancelled. Nothing was charged.")
                }
            };
            vec![to_buyer(format!("Order {id} is cancelled"), vec![text])]
        }
        EventKind::PaymentRefunded { amount, reason, .. } => {
            let why = match reason {
                RefundReason::Cancelled => "because the order was cancelled",
                RefundReason::Late => "because it came after the order had ended and the goods were gone",
                RefundReason::Second => "because the order was already paid",
                RefundReason::Mismatch => "because it was not what the order asked for",
            };
            let text = format!("We gave back {} for order {id}, {why}.", amount.display());
            vec![to_buyer(format!("Refund for order {id}"), vec![text])]
        }
        EventKind::PartShipped { seller } => {
            let part = order.parts.iter().find(|part| part.value.seller == *seller);
            part.map(|part| to_buyer(format!("Order {id} is on its way"), shipped(&part.value)))
                .into_iter()
                .collect()
        }
        EventKind::OrderCompleted {}
        | EventKind::OrderClaimed {}
        | EventKind::PaymentFailed { .. }
        | EventKind::RefundRequested { .. }
        | EventKind::PartDelivered { .. }
        | EventKind::UserVerified { .. }
        | EventKind::VerificationRequested { .. } => Vec::new(),
    })
}

/// What a total consists of.
fn costs(totals: &Totals) -> String {
    let Totals { goods, discount, shipping, tax, tax_included, .. } = totals;
    let mut text = format!("Goods {}", goods.display());
    if !discount.is_zero() {
        text.extend([", discount −", &discount.display()]);
    }
    text.extend([", shipping ", &shipping.display()]);
    if *tax_included {
        text.extend([", which contain tax of ", &tax.display(), "."]);
    } else {
        text.extend([", tax ", &tax.display(), "."]);
    }
    text
}

fn goods(part: &Part) -> String {
    let lines = part.lines.iter().map(|line| {
        let options: Vec<String> =
            line.options.iter().map(|option| format!(", {}: {}", option.name, option.value)).collect();
        format!("{} × {}{} – {}", line.quantity, line.title, options.concat(), line.total.display())
    });
    let mut text = format!("From {}:", part.seller_name);
    for line in lines {
        text.extend(["\n", &line]);
    }
    text
}

fn shipped(part: &Part) -> Vec<String> {
    let mut paragraphs = vec![format!("{} has sent your goods.", part.seller_name), goods(part)];
    if let Some((carrier, number)) = part.state.tracking() {
        paragraphs.push(format!("Carrier: {carrier}, number: {number}"));
    }
    paragraphs
}

/// One letter to each seller about their own part, and nothing of the others.
async fn to_sellers(
    app: &App,
    order: &OrderAggregate,
    subject: &str,
    message: &str,
) -> Result<Vec<Letter>, Error> {
    let head = &order.order.value;
    let mut letters = Vec::with_capacity(order.parts.len());
    for part in &order.parts {
        let Some(to) = seller_address(app, &part.value.seller).await? else { continue };
        letters.push(Letter {
            to,
            subject: format!("{subject}: order {}", head.id),
            paragraphs: vec![message.to_owned(), goods(&part.value)],
            link: Some(format!("{}/sales/{}", app.settings.frontend_url, head.id)),
        });
    }
    Ok(letters)
}

async fn seller_address(app: &App, seller: &SellerId) -> Result<Option<String>, Error> {
    let Some(seller) = app.store.seller(seller).await? else { return Ok(None) };
    let user = app.store.user(&seller.value.user).await?;
    Ok(user.map(|user| user.value.email.as_str().to_owned()))
}
