//! The pages that people see. They work without scripts, and hold nothing that another site could use.

use std::fmt::Write;

use axum::{
    http::{
        HeaderName, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY},
    },
    response::{Html, IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};
use tower_client_auth::ClientMetadata;
use url::Url;

use crate::{parameters::Parameters, redirect::is_loopback, scope};

const STYLE: &str = include_str!("page.css");
/// Of a name that somebody chose; more would push the rest of the page away.
const LONGEST_NAME: usize = 80;

pub(super) struct Consent<'a> {
    pub(super) client: &'a ClientMetadata,
    pub(super) redirect_uri: &'a str,
    pub(super) scope: &'a str,
    /// The request, which the form sends again.
    pub(super) parameters: &'a Parameters,
}

/// Who asks, for what, and where the answer goes: MCP, "Client ID Metadata Documents", "Trust Policies",
/// asks for the two hosts.
pub(super) fn consent(consent: &Consent<'_>) -> Response {
    let Consent { client, redirect_uri, scope, parameters } = consent;
    let name: String = client
        .client_name
        .as_deref()
        .unwrap_or("An application without a name")
        .chars()
        .filter(|sign| !sign.is_control() && !reverses(*sign))
        .take(LONGEST_NAME)
        .collect();
    let name = escape(&name);
    let who = match host(&client.client_id).filter(|_| client.client_id.starts_with("https://")) {
        Some(host) => format!("It is published by <strong>{}</strong>.", escape(&host)),
        None => "It registered itself here. Nobody has checked that its name is true.".to_owned(),
    };
    let mut content = format!(
        "<h1>Connect “<bdi>{name}</bdi>”?</h1>\n<p>{who}</p>\n<p>It would like to</p>\n<ul>\n"
    );
    for (_, allows) in scope::ALL.iter().filter(|(one, _)| scope::contains(scope, one)) {
        let _ = writeln!(content, "<li>{allows}</li>");
    }
    let _ = write!(
        content,
        "</ul>\n<p>The answer goes to <strong>{}</strong>",
        escape(&place(redirect_uri))
    );
    content.push_str(if is_loopback(redirect_uri) {
        ", a program on this device.</p>\n<p class=\"warning\">Any program on this device can say that it is this \
         application. Allow it only if you have just started it yourself.</p>\n"
    } else {
        ".</p>\n"
    });
    content.push_str("<form method=\"post\" action=\"authorize\">\n");
    // What is shown is what is agreed to, also if a document has another redirect URI by then.
    let redirect = ("redirect_uri".to_owned(), (*redirect_uri).to_owned());
    let others = parameters.iter().filter(|(name, _)| name != "decision" && name != "redirect_uri");
    for (name, value) in others.chain([&redirect]) {
        let _ = writeln!(
            content,
            "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
            escape(name),
            escape(value)
        );
    }
    content.push_str(
        "<button name=\"decision\" value=\"allow\">Allow</button>\n\
         <button name=\"decision\" value=\"deny\" class=\"plain\">Deny</button>\n</form>\n\
         <p class=\"note\">This server is a demonstration: it knows no users, so whoever opens this page decides. \
         A real one signs you in first.</p>",
    );
    page(StatusCode::OK, &content)
}

/// An error that the application should hear of, if whoever sees this wants to go back to it.
pub(super) fn error(code: &str, back: &Url) -> Response {
    page(
        StatusCode::BAD_REQUEST,
        &format!(
            "<h1>No authorization</h1>\n<p>The application made a mistake: <code>{}</code>.</p>\n\
             <p><a id=\"continue\" href=\"{}\" rel=\"noreferrer\">Go back to {}</a></p>",
            escape(code),
            escape(back.as_str()),
            escape(&place(back.as_str()))
        ),
    )
}

pub(super) fn refuse(status: StatusCode, reason: &str) -> Response {
    page(status, &format!("<h1>No authorization</h1>\n<p>{reason}</p>"))
}

fn page(status: StatusCode, content: &str) -> Response {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'"
    );
    // It must neither be kept, nor framed. Its form needs an `Origin`, which `no-referrer` takes away.
    let headers: [(HeaderName, &str); 3] = [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "same-origin"),
        (CONTENT_SECURITY_POLICY, &policy),
    ];
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Authorization</title>\n\
         <style>{STYLE}</style>\n<main>\n{content}\n</main>\n"
    );
    (status, headers, Html(html)).into_response()
}

/// Whether the character turns the direction of what follows, so that a page reads otherwise than it is.
const fn reverses(sign: char) -> bool {
    matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

fn host(uri: &str) -> Option<String> {
    Url::parse(uri).ok()?.host()?;
    Some(place(uri))
}

/// What a person can recognize of a redirect URI: the host, or the program that has the scheme.
fn place(uri: &str) -> String {
    let Ok(parsed) = Url::parse(uri) else { return uri.to_owned() };
    match (parsed.scheme(), parsed.host()) {
        ("https" | "http", Some(host)) => match parsed.port() {
            // That of a program on this device says nothing.
            Some(port) if !is_loopback(uri) => format!("{host}:{port}"),
            _ => host.to_string(),
        },
        (scheme, _) => format!("{scheme}:"),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(sign),
        }
    }
    escaped
}
