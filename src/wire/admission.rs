//! What the head of a request decides before any of its body is read.

use http::{
    HeaderMap, Method,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE},
    request::Parts,
};

use crate::{error::ErrorKind, layer::policy::Policy, wire::form};

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

/// What the headers say, read in one pass.
#[derive(Default)]
struct Fields {
    media_type: MediaType,
    authorization: Presence,
    /// Whether the body has a content coding.
    coded: bool,
}

/// How often a field occurs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Presence {
    #[default]
    Absent,
    Once,
    Repeated,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum MediaType {
    #[default]
    Absent,
    Form,
    Grpc,
    GrpcWeb,
    Other,
}

impl Fields {
    /// Also marks the credential, to keep it out of what inner services print of their request
    /// (`HeaderValue` hides it in `Debug`, and HTTP/2 does not index it).
    fn read(headers: &mut HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers.iter_mut() {
            if name == AUTHORIZATION {
                value.set_sensitive(true);
                fields.authorization = match fields.authorization {
                    Presence::Absent => Presence::Once,
                    _ => Presence::Repeated,
                };
            } else if name == CONTENT_TYPE {
                // Several fields agree on nothing.
                fields.media_type = match fields.media_type {
                    MediaType::Absent => MediaType::of(value.as_bytes()),
                    _ => MediaType::Other,
                };
            } else if name == CONTENT_ENCODING {
                fields.coded |= !value.as_bytes().eq_ignore_ascii_case(b"identity");
            }
        }
        fields
    }
}

impl MediaType {
    /// Type and subtype are compared without case, and parameters do not matter (RFC 9110 §8.3.1).
    fn of(value: &[u8]) -> Self {
        const FORM: &[u8] = b"application/x-www-form-urlencoded";
        if value == FORM {
            return Self::Form;
        }
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let name = value.get(..end).unwrap_or_default().trim_ascii_end();
        if name.eq_ignore_ascii_case(FORM) {
            return Self::Form;
        }
        // gRPC over HTTP/2, "Requests": the media type is `application/grpc`, and a suffix names
        // the encoding of the messages.
        let (grpc, suffix) = name.split_at_checked(16).unwrap_or_default();
        if !grpc.eq_ignore_ascii_case(b"application/grpc") {
            return Self::Other;
        }
        match suffix {
            [] | [b'+', ..] => Self::Grpc,
            suffix if is_web(suffix) => Self::GrpcWeb,
            _ => Self::Other,
        }
    }
}

fn is_web(suffix: &[u8]) -> bool {
    let end = memchr::memchr(b'+', suffix).unwrap_or(suffix.len());
    let name = suffix.get(..end).unwrap_or_default();
    name.eq_ignore_ascii_case(b"-web") || name.eq_ignore_ascii_case(b"-web-text")
}

/// Decides how the request is answered, whether it may go on, and where its credentials are. Also
/// tells whether there is an `Authorization`.
pub(crate) fn admit(
    head: &mut Parts,
    policy: &Policy,
) -> (Protocol, Presence, Result<Source, ErrorKind>) {
    let fields = Fields::read(&mut head.headers);
    let protocol = match fields.media_type {
        MediaType::Grpc if head.method == Method::POST => Protocol::Grpc,
        MediaType::GrpcWeb if head.method == Method::POST => Protocol::GrpcWeb,
        _ => Protocol::Http,
    };
    (protocol, fields.authorization, source(head, &fields, protocol, policy))
}

fn source(
    head: &Parts,
    fields: &Fields,
    protocol: Protocol,
    policy: &Policy,
) -> Result<Source, ErrorKind> {
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
    if fields.coded {
        return Err(ErrorKind::UnsupportedContentEncoding);
    }
    // RFC 6749 Appendix B.
    Ok(Source::Form { typed: fields.media_type == MediaType::Form })
}
