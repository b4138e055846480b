//! The page on which a buyer pays, where a provider has one.

use axum::response::Html;

/// A page with one button, which posts to where the page is.
pub(crate) fn page(provider: &str, what: &str, button: &str) -> Html<String> {
    let plain = |text: &str| {
        text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_ ".contains(*c)).collect::<String>()
    };
    let (provider, what, button) = (plain(provider), plain(what), plain(button));
    Html(format!(
        "<!doctype html><title>{provider}</title><h1>{provider}, the stand-in</h1><p>{what}</p>\
         <form method=\"post\"><button>{button}</button></form>"
    ))
}
