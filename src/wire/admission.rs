//! What the head of a request decides before any of its body is read.

use std::{fmt, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Method, Version,
    header::{
        ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, TE,
        TRANSFER_ENCODING,
    },
    request::Parts,
};

use crate::{
    error::{cause::Cause, config::ConfigError, kind::ErrorKind},
    isolate::guard,
    wire::{attested, authorization::Presence, form},
};

type HttpsPredicate = dyn Fn(&Parts) -> bool + Send + Sync;

/// Which requests are admitted.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    pub(crate) https: Option<Arc<HttpsPredicate>>,
    pub(crate) refuse_uri_credentials: bool,
    /// Whether attestations are credentials.
    pub(crate) attested: bool,
    mode: Mode,
}

/// Where a layer expects credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// In the headers and in a form.
    #[default]
    Form,
    /// In the headers alone, whatever the body is.
    HeadersOnly,
    /// In the metadata of a gRPC request.
    Grpc,
}

impl Rules {
    pub(crate) fn set_headers_only(&mut self) -> Result<(), ConfigError> {
        self.set_mode(Mode::HeadersOnly)
    }

    pub(crate) fn set_grpc(&mut self) -> Result<(), ConfigError> {
        self.set_mode(Mode::Grpc)
    }

    fn set_mode(&mut self, mode: Mode) -> Result<(), ConfigError> {
        if self.mode != Mode::Form && self.mode != mode {
            return Err(ConfigError::GrpcAndHeadersOnly);
        }
        self.mode = mode;
        Ok(())
    }

    /// Whether a form is read.
    pub(crate) const fn reads_forms(&self) -> bool {
        matches!(self.mode, Mode::Form)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("require_https", &self.https.is_some())
            .field("refuse_uri_credentials", &self.refuse_uri_credentials)
            .field("attested", &self.attested)
            .field("mode", &self.mode)
            .finish()
    }
}

/// Where credentials may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the headers and in a form. Without the media type of a form the body must be empty, or it
    /// is refused for this reason.
    Form { foreign: Option<ErrorKind> },
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
    /// The transfer codings of the body.
    transfer: Transfer,
}

/// What HTTP/1.1 did to the body on the way. A server undoes `chunked`, once, and nothing else.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Transfer {
    #[default]
    Plain,
    Chunked,
    Other,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum MediaType {
    #[default]
    Absent,
    Form,
    /// A form in another charset than UTF-8.
    OtherCharset,
    Grpc,
    GrpcWeb,
    Other,
}

impl Fields {
    /// Also marks the credential, to keep it out of what inner services print of their request
    /// (`HeaderValue` hides it in `Debug`, and HTTP/2 does not index it).
    fn read(headers: &mut HeaderMap, rules: &Rules) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers.iter_mut() {
            if name == AUTHORIZATION {
                value.set_sensitive(true);
                fields.authorization = match fields.authorization {
                    Presence::Absent => Presence::Single,
                    _ => Presence::Repeated,
                };
            } else if name == CONTENT_TYPE {
                // Several fields agree on nothing.
                fields.media_type = match fields.media_type {
                    MediaType::Absent => MediaType::of(value.as_bytes()),
                    _ => MediaType::Other,
                };
            } else if name == CONTENT_ENCODING {
                fields.coded |=
                    elements(value).any(|coding| !coding.eq_ignore_ascii_case(b"identity"));
            } else if name == TRANSFER_ENCODING {
                fields.transfer = elements(value).fold(fields.transfer, Transfer::and);
            }
        }
        if attested::AVAILABLE && rules.attested {
            attested::mark(headers);
        }
        fields
    }
}

impl Transfer {
    fn and(self, coding: &[u8]) -> Self {
        match self {
            Self::Plain if coding.eq_ignore_ascii_case(b"chunked") => Self::Chunked,
            _ => Self::Other,
        }
    }
}

/// The elements of a list. Empty ones do not count (RFC 9110 §5.6.1.2).
fn elements(list: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let elements = list.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    elements.filter(|element| !element.is_empty())
}

impl MediaType {
    /// Type and subtype are compared without case (RFC 9110 §8.3.1). Of the parameters only the charset
    /// of a form matters.
    fn of(value: &[u8]) -> Self {
        const FORM: &[u8] = b"application/x-www-form-urlencoded";
        if value == FORM {
            return Self::Form;
        }
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let (name, parameters) = value.split_at_checked(end).unwrap_or_default();
        let name = name.trim_ascii_end();
        if name.eq_ignore_ascii_case(FORM) {
            // Several fields that were joined on the way.
            if memchr::memchr(b',', parameters).is_some() {
                return Self::Other;
            }
            return if is_utf_8(parameters) { Self::Form } else { Self::OtherCharset };
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

/// Whether no parser behind the layer can read another charset than UTF-8 from the parameters of a
/// form, and in it another `client_id`. Some search them for `charset=`, also within another name or
/// between quotes: wherever the word is, it has to be the plain parameter.
fn is_utf_8(parameters: &[u8]) -> bool {
    const CHARSET: &[u8] = b"charset";
    const PLAIN: [&[u8]; 2] = [b"charset=utf-8", b"charset=\"utf-8\""];
    parameters.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).all(|parameter| {
        PLAIN.iter().any(|plain| parameter.eq_ignore_ascii_case(plain))
            || !parameter.windows(CHARSET.len()).any(|word| word.eq_ignore_ascii_case(CHARSET))
    })
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
    rules: &Rules,
) -> (Protocol, Presence, Result<Source, ErrorKind>) {
    let fields = Fields::read(&mut head.headers, rules);
    let protocol = match rules.mode {
        Mode::Grpc => grpc(head, fields.media_type),
        Mode::Form | Mode::HeadersOnly => Protocol::Http,
    };
    (protocol, fields.authorization, source(head, &fields, protocol, rules))
}

/// What to do about a request that a browser sends of its own accord, without credentials.
pub(crate) fn preflight(head: &Parts) -> Option<Cause> {
    let is_preflight =
        head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    is_preflight.then_some(Cause::Advice(
        &"this is a CORS preflight: put the layer that answers it outside of this one",
    ))
}

/// The caller never chooses how it is answered: gRPC is spoken where the application says so, and
/// only to clients that can read it.
fn grpc(head: &Parts, media_type: MediaType) -> Protocol {
    match media_type {
        _ if head.method != Method::POST => Protocol::Http,
        // gRPC over HTTP/2, "Requests": `te` is there to detect incompatible proxies. Over HTTP/1.1
        // it is what tells a translated request from one that was made up.
        MediaType::Grpc if head.version == Version::HTTP_2 || has_trailers(&head.headers) => {
            Protocol::Grpc
        }
        MediaType::GrpcWeb => Protocol::GrpcWeb,
        _ => Protocol::Http,
    }
}

/// Whether `te` names `trailers` (RFC 9110 §10.1.4).
fn has_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(TE).iter().flat_map(elements).any(|name| name.eq_ignore_ascii_case(b"trailers"))
}

fn source(
    head: &Parts,
    fields: &Fields,
    protocol: Protocol,
    rules: &Rules,
) -> Result<Source, ErrorKind> {
    if let Some(https) = &rules.https {
        // RFC 6749 §3.2: the endpoint requires TLS, which only the application can see.
        match guard::hook("require_https", || https(head)) {
            Some(true) => {}
            Some(false) => return Err(ErrorKind::InsecureTransport),
            None => return Err(ErrorKind::Panicked),
        }
    }
    // RFC 6749 §2.3.1: "The parameters can only be transmitted in the request-body and MUST NOT be
    // included in the request URI." They are never read there; refusing them makes the leak
    // known.
    if rules.refuse_uri_credentials
        && form::has_credentials(head.uri.query().unwrap_or_default().as_bytes())
    {
        return Err(ErrorKind::CredentialsInUri);
    }
    match rules.mode {
        Mode::Form => {}
        Mode::Grpc if protocol == Protocol::Http => return Err(ErrorKind::NotGrpc),
        Mode::Grpc | Mode::HeadersOnly => return Ok(Source::Headers),
    }
    // RFC 6749 §3.2: "The client MUST use the HTTP "POST" method".
    if head.method != Method::POST {
        return Err(ErrorKind::MethodNotAllowed);
    }
    // RFC 9112 §6.1: "A server that receives a request message with a transfer coding it does not
    // understand SHOULD respond with 501 (Not Implemented)."
    if fields.transfer == Transfer::Other {
        return Err(ErrorKind::UnsupportedTransferCoding);
    }
    // RFC 9110 §8.4, §15.5.16: an unauthenticated body is not inflated.
    if fields.coded {
        return Err(ErrorKind::UnsupportedContentEncoding);
    }
    // RFC 6749 Appendix B.
    let foreign = match fields.media_type {
        MediaType::Form => None,
        MediaType::OtherCharset => Some(ErrorKind::UnsupportedCharset),
        MediaType::Grpc | MediaType::GrpcWeb => Some(ErrorKind::UnexpectedGrpc),
        MediaType::Absent | MediaType::Other => Some(ErrorKind::UnsupportedMediaType),
    };
    Ok(Source::Form { foreign })
}
