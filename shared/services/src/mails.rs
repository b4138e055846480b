//! Which mails an event leads to, and what they say.

use sutler_domain::{
    alert::Alert,
    event::{Event, EventKind, Side},
    ids::{AlertId, OrderId, ReturnId, SellerId, ShipmentId, UserId},
    money::Money,
    order::{CancelReason, OrderLine, Part, Totals, Units},
    payment::RefundReason,
    problem::Problem,
    product::in_words,
    refund::Destination,
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
        EventKind::AlertHeld { user, alert, .. } => {
            Ok(back_in_stock(app, user, alert).await?.into_iter().collect())
        }
        EventKind::OrderPlaced { .. }
        | EventKind::OrderPaid { .. }
        | EventKind::OrderCancelled { .. }
        | EventKind::OrderRefunded { .. }
        | EventKind::PaymentRefunded { .. }
        | EventKind::UnitsCancelled { .. }
        | EventKind::PartShipped { .. }
        | EventKind::ReturnRequested { .. }
        | EventKind::ReturnApproved { .. }
        | EventKind::ReturnRejected { .. }
        | EventKind::ReturnReceived { .. } => {
            let id = OrderId::parse(&event.aggregate).map_err(|e| Error::Internal(e.into()))?;
            let order = app.store.order(&id).await?.ok_or(Problem::NotFound)?;
            about_order(app, &order, &event.event).await
        }
        EventKind::OrderCompleted {}
        | EventKind::OrderClaimed {}
        | EventKind::PaymentFailed { .. }
        | EventKind::RefundRequested { .. }
        | EventKind::RefundFailed { .. }
        | EventKind::PartDelivered { .. }
        | EventKind::OutForDelivery { .. }
        | EventKind::DeliveryFailed { .. }
        | EventKind::LabelBought { .. }
        | EventKind::LabelVoided { .. }
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

/// Nothing when the unit was ordered, given up or over before anybody could write of it.
async fn back_in_stock(app: &App, user: &UserId, id: &AlertId) -> Result<Option<Letter>, Error> {
    let (alerts, user) = tokio::try_join!(app.store.alerts(user), app.store.user(user))?;
    let alert = alerts.value.alerts.iter().find(|alert| alert.id == *id);
    let held = alert.filter(|alert| alert.held(app.now()).is_some());
    let Some(((alert, end), user)) = held.zip(held.and_then(Alert::expires_at)).zip(user) else {
        return Ok(None);
    };
    let name = user.value.username.as_str();
    Ok(Some(Letter {
        to: user.value.email.as_str().to_owned(),
        subject: format!("{} is back in stock", alert.title),
        paragraphs: vec![
            format!("Hello {name},"),
            format!("{} is back, and one is held for you until {}.", alert.title, end.in_words()),
            "Please order it before then. After that it goes to whoever is next in line.".to_owned(),
        ],
        link: Some(format!("{}/products/{}", app.settings.frontend_url, alert.variant.product())),
    }))
}

async fn about_order(app: &App, order: &OrderAggregate, event: &EventKind) -> Result<Vec<Letter>, Error> {
    let head = &order.order.value;
    let id = &head.id;
    let to_buyer = |subject: String, paragraphs: Vec<String>| to_buyer(app, order, subject, paragraphs);
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
        EventKind::PaymentRefunded { amount, reason, destination, .. } => {
            let text = gave_back(id, *amount, *reason, *destination);
            vec![to_buyer(format!("Refund for order {id}"), vec![text])]
        }
        EventKind::UnitsCancelled { seller, lines, by: Side::Buyer } => {
            let message = "The buyer does not want these any more. Please do not send them.";
            to_seller(app, order, seller, ("Cancelled units", message), lines).await?
        }
        EventKind::UnitsCancelled { seller, lines, by: Side::Seller } => {
            let text = "These will not be sent, and what you paid for them goes back.";
            about_units(app, order, seller, (format!("Some of order {id} is cancelled"), text), lines)
        }
        EventKind::PartShipped { seller, shipment } => {
            let part = order.parts.iter().find(|part| part.value.seller == *seller);
            part.map(|part| to_buyer(format!("Order {id} is on its way"), shipped(&part.value, shipment)))
                .into_iter()
                .collect()
        }
        EventKind::ReturnRequested { seller, id } => {
            let Some(sent_back) = find_return(order, id) else { return Ok(Vec::new()) };
            let message = format!("The buyer wants to send these back: {}", sent_back.reason);
            to_seller(app, order, seller, ("Return requested", &message), &sent_back.lines).await?
        }
        EventKind::ReturnApproved { id, .. } => {
            let text = "Please send these back. Your money follows when they have arrived.";
            about_return(app, order, id, ("approved", text))
        }
        EventKind::ReturnRejected { id, .. } => {
            about_return(app, order, id, ("rejected", "The shop does not take these back."))
        }
        EventKind::ReturnReceived { id, .. } => {
            let text = "The shop has received these, and pays them back.";
            about_return(app, order, id, ("received", text))
        }
        EventKind::OrderCompleted {}
        | EventKind::OrderClaimed {}
        | EventKind::PaymentFailed { .. }
        | EventKind::RefundRequested { .. }
        | EventKind::RefundFailed { .. }
        | EventKind::PartDelivered { .. }
        | EventKind::OutForDelivery { .. }
        | EventKind::DeliveryFailed { .. }
        | EventKind::LabelBought { .. }
        | EventKind::LabelVoided { .. }
        | EventKind::UserVerified { .. }
        | EventKind::VerificationRequested { .. }
        | EventKind::AlertHeld { .. } => Vec::new(),
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

fn gave_back(id: &OrderId, amount: Money, reason: RefundReason, destination: Destination) -> String {
    let why = match reason {
        RefundReason::Cancelled => "because it was cancelled",
        RefundReason::NotSent => "because the shop could not send everything",
        RefundReason::Returned => "because you sent something back",
        RefundReason::Goodwill => "as the shop decided",
        RefundReason::Late => "because it came after the order had ended and the goods were gone",
        RefundReason::Second => "because the order was already paid",
        RefundReason::Mismatch => "because it was not what the order asked for",
    };
    let place = match destination {
        Destination::Card => "",
        Destination::Wallet => " It is in your wallet.",
    };
    format!("We gave back {} for order {id}, {why}.{place}", amount.display())
}

fn find_return<'a>(order: &'a OrderAggregate, id: &ReturnId) -> Option<&'a sutler_domain::returns::Return> {
    order.returns.iter().map(|read| &read.value).find(|sent_back| sent_back.id == *id)
}

fn to_buyer(app: &App, order: &OrderAggregate, subject: String, paragraphs: Vec<String>) -> Letter {
    let head = &order.order.value;
    let link = Some(format!("{}/orders/{}", app.settings.frontend_url, head.id));
    Letter { to: head.email.clone(), subject, paragraphs, link }
}

/// A letter to the buyer about what became of a return.
fn about_return(app: &App, order: &OrderAggregate, id: &ReturnId, (what, text): (&str, &str)) -> Vec<Letter> {
    let Some(sent_back) = find_return(order, id) else { return Vec::new() };
    let subject = format!("Return for order {} {what}", order.order.value.id);
    about_units(app, order, &sent_back.seller, (subject, text), &sent_back.lines)
}

/// A letter to the buyer about some units of a part.
fn about_units(
    app: &App,
    order: &OrderAggregate,
    seller: &SellerId,
    (subject, text): (String, &str),
    lines: &[Units],
) -> Vec<Letter> {
    let part = order.parts.iter().find(|part| part.value.seller == *seller);
    let paragraphs = part.map(|part| vec![text.to_owned(), some_goods(&part.value, lines)]);
    paragraphs.map(|paragraphs| to_buyer(app, order, subject, paragraphs)).into_iter().collect()
}

fn goods(part: &Part) -> String {
    let lines = part.lines.iter();
    listed(part, lines.map(|line| format!("{} – {}", named(line, line.quantity), line.total.display())))
}

/// Some units of a part, without what they cost.
fn some_goods(part: &Part, lines: &[Units]) -> String {
    let named = |units: &Units| part.line(units).map(|line| named(line, units.quantity));
    listed(part, lines.iter().filter_map(named))
}

fn listed(part: &Part, lines: impl Iterator<Item = String>) -> String {
    let mut text = format!("From {}:", part.seller_name);
    for line in lines {
        text.extend(["\n", &line]);
    }
    text
}

fn named(line: &OrderLine, quantity: u32) -> String {
    format!("{quantity} × {}", in_words(&line.title, &line.options))
}

fn shipped(part: &Part, id: &ShipmentId) -> Vec<String> {
    let mut paragraphs = vec![format!("{} has sent your goods.", part.seller_name)];
    for shipment in part.shipments.iter().filter(|shipment| shipment.id == *id) {
        let whole = part.lines.iter().all(|line| {
            shipment
                .lines
                .iter()
                .any(|units| units.variant == line.variant && units.quantity == line.quantity)
        });
        paragraphs.push(if whole { goods(part) } else { some_goods(part, &shipment.lines) });
        let (carrier, number) = (shipment.tracking.carrier(), shipment.tracking.number());
        paragraphs.push(format!("Carrier: {carrier}, number: {number}"));
    }
    paragraphs
}

/// A letter to one seller about some units of theirs.
async fn to_seller(
    app: &App,
    order: &OrderAggregate,
    seller: &SellerId,
    (subject, message): (&str, &str),
    lines: &[Units],
) -> Result<Vec<Letter>, Error> {
    let id = &order.order.value.id;
    let part = order.parts.iter().find(|part| part.value.seller == *seller);
    let Some((part, to)) = part.zip(seller_address(app, seller).await?) else { return Ok(Vec::new()) };
    Ok(vec![Letter {
        to,
        subject: format!("{subject}: order {id}"),
        paragraphs: vec![message.to_owned(), some_goods(&part.value, lines)],
        link: Some(format!("{}/sales/{id}", app.settings.frontend_url)),
    }])
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
