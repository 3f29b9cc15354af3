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
    /// gRPC over HTTP/2: "Content-Type → "content-type" "application/grpc" [("+proto" / "+json" /
    /// {custom})]".
    pub(crate) fn of(head: &Parts) -> Self {
        let Some(media_type) = head.headers.get(CONTENT_TYPE) else {
            return Self::Http;
        };
        let Some((start, rest)) = media_type.as_bytes().split_at_checked(16) else {
            return Self::Http;
        };
        if !start.eq_ignore_ascii_case(b"application/grpc") || head.method != Method::POST {
            return Self::Http;
        }
        match rest {
            [] | [b'+' | b';' | b' ' | b'\t', ..] => Self::Grpc,
            [b'-', b'w' | b'W', b'e' | b'E', b'b' | b'B', ..] => Self::GrpcWeb,
            _ => Self::Http,
        }
    }
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
    if policy.refuse_uri_credentials {
        let query = form::scan(head.uri.query().unwrap_or_default().as_bytes(), policy);
        if query.map_or(true, |query| query.client_secret.or(query.client_assertion).is_some()) {
            return Err(ErrorKind::CredentialsInUri);
        }
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

/// RFC 6749 Appendix B, RFC 9110 §8.3.1: type and subtype are case-insensitive, parameters do not
/// matter.
fn is_form(headers: &HeaderMap) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";

    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let value = value.as_bytes();
    let essence = match memchr::memchr(b';', value).and_then(|end| value.get(..end)) {
        Some(essence) => essence.trim_ascii_end(),
        None => value,
    };
    essence.eq_ignore_ascii_case(FORM)
}

/// Keeps the credential out of what inner services print of their request (`HeaderValue` hides it
/// in `Debug`, and HTTP/2 does not index it).
fn mark_sensitive(headers: &mut HeaderMap) {
    if let http::header::Entry::Occupied(mut entry) = headers.entry(AUTHORIZATION) {
        for value in entry.iter_mut() {
            value.set_sensitive(true);
        }
    }
}
