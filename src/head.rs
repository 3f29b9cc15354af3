//! What the head of a request decides before any of its body is read.

use http::{
    HeaderMap, Method,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE},
    request::Parts,
};

use crate::{error::ErrorKind, form, policy::Policy};

/// Where credentials may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the headers and in a form. If not `typed` there is no form's media type, and the body
    /// must turn out to be empty.
    Form { typed: bool },
    /// In the headers alone; the body is not touched.
    Headers,
}

/// How a refusal is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
    GrpcWeb,
}

impl Protocol {
    /// gRPC over HTTP/2, "Requests": the media type is `application/grpc`, and a suffix names the
    /// encoding of the messages.
    pub(crate) fn of(head: &Parts) -> Self {
        let media_type = media_type(&head.headers).unwrap_or_default();
        let (grpc, rest) = media_type.split_at_checked(16).unwrap_or_default();
        if !grpc.eq_ignore_ascii_case(b"application/grpc") || head.method != Method::POST {
            return Self::Http;
        }
        match rest {
            [] | [b'+', ..] => Self::Grpc,
            rest if is_web(rest) => Self::GrpcWeb,
            _ => Self::Http,
        }
    }
}

fn is_web(suffix: &[u8]) -> bool {
    let end = memchr::memchr(b'+', suffix).unwrap_or(suffix.len());
    let name = suffix.get(..end).unwrap_or_default();
    name.eq_ignore_ascii_case(b"-web") || name.eq_ignore_ascii_case(b"-web-text")
}

/// Decides whether the request may go on, and where its credentials are.
pub(crate) fn admit(
    head: &mut Parts,
    protocol: Protocol,
    policy: &Policy,
) -> Result<Source, ErrorKind> {
    mark_sensitive(&mut head.headers);
    if let Some(https) = &policy.https {
        // RFC 6749 §3.2: the endpoint requires TLS, which only the application can see.
        if !https(head) {
            return Err(ErrorKind::InsecureTransport);
        }
    }
    // RFC 6749 §2.3.1: "The parameters can only be transmitted in the request-body and MUST NOT be
    // included in the request URI." They are never read there; refusing them makes the leak
    // known.
    if policy.refuse_uri_credentials
        && form::has_credentials(head.uri.query().unwrap_or_default().as_bytes())
    {
        return Err(ErrorKind::CredentialsInUri);
    }
    if policy.headers_only || protocol != Protocol::Http {
        return Ok(Source::Headers);
    }
    // RFC 6749 §3.2: "The client MUST use the HTTP "POST" method".
    if head.method != Method::POST {
        return Err(ErrorKind::MethodNotAllowed);
    }
    // RFC 9110 §8.4, §15.5.16: an unauthenticated body is not inflated.
    for coding in head.headers.get_all(CONTENT_ENCODING) {
        if !coding.as_bytes().eq_ignore_ascii_case(b"identity") {
            return Err(ErrorKind::UnsupportedContentEncoding);
        }
    }
    Ok(Source::Form { typed: is_form(&head.headers) })
}

/// RFC 6749 Appendix B.
fn is_form(headers: &HeaderMap) -> bool {
    let form = b"application/x-www-form-urlencoded";
    media_type(headers).is_some_and(|media_type| media_type.eq_ignore_ascii_case(form))
}

/// The type and subtype of the one `Content-Type`; its parameters do not matter (RFC 9110 §8.3.1).
fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let value = value.as_bytes();
    match memchr::memchr(b';', value) {
        Some(end) => value.get(..end).map(<[u8]>::trim_ascii_end),
        None => Some(value),
    }
}

/// Keeps the credential out of what inner services print of their request (`HeaderValue` hides it
/// in `Debug`, and HTTP/2 does not index it).
fn mark_sensitive(headers: &mut HeaderMap) {
    // `entry` would make room for a new field first.
    for (name, value) in headers.iter_mut() {
        if name == AUTHORIZATION {
            value.set_sensitive(true);
        }
    }
}
