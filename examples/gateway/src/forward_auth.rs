//! Answers proxies that keep the traffic to themselves: nginx `auth_request`, Traefik `forwardAuth`, Envoy
//! `ext_authz`.
//!
//! Such a check has the head of a request, and not its body. So it can only be for requests whose credentials are in
//! the head.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;

use crate::answer::{Answer, Refusal, Reply};

pub(crate) struct ForwardAuth {
    /// The headers that say who the client is.
    identity: Vec<HeaderName>,
    only_401_403: bool,
}

impl ForwardAuth {
    pub(crate) const fn new(identity: Vec<HeaderName>, only_401_403: bool) -> Self {
        Self { identity, only_401_403 }
    }

    /// The method of the request that is asked about, where the proxy tells it; its URI takes the place of that of the
    /// question. Envoy asks with both as they are.
    pub(crate) fn receive(
        &self,
        request: &mut Request<Incoming>,
    ) -> Result<Option<Method>, Refusal> {
        // First, for it is what is logged.
        let uri = told(request.headers(), ["x-original-uri", "x-forwarded-uri"])?;
        if let Some(uri) = uri {
            *request.uri_mut() = uri;
        }
        let headers = request.headers();
        // Of several, one may be the caller's: whatever it is, a form is not seen.
        if headers.get_all(header::CONTENT_TYPE).iter().any(|types| may_be_form(types.as_bytes())) {
            return Err(Refusal::FORM);
        }
        told(headers, ["x-original-method", "x-forwarded-method"])
    }

    /// Yes, and who it is.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Reply {
        let mut answer = Response::new(Either::Right(Full::new(Bytes::new())));
        for name in &self.identity {
            if let Some(value) = headers.get(name) {
                answer.headers_mut().insert(name, value.clone());
            }
        }
        let no_store = HeaderValue::from_static("no-store");
        answer.headers_mut().insert(header::CACHE_CONTROL, no_store);
        answer
    }

    /// What the proxy gets to see.
    pub(crate) fn pass(&self, mut answer: Answer) -> Answer {
        let status = answer.status();
        if self.only_401_403 && status.is_client_error() && status != StatusCode::UNAUTHORIZED {
            *answer.status_mut() = StatusCode::FORBIDDEN;
        }
        answer
    }
}

/// What the proxy says. It writes one of them, and where another says something else that one is the caller's.
fn told<'a, T: TryFrom<&'a [u8]>>(
    headers: &'a HeaderMap,
    names: [&str; 2],
) -> Result<Option<T>, Refusal> {
    let mut values = names.into_iter().flat_map(|name| headers.get_all(name));
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|value| value != first) {
        return Err(Refusal::UNCLEAR);
    }
    T::try_from(first.as_bytes()).map(Some).map_err(|_invalid| Refusal::UNCLEAR)
}

/// Whether a server may read a form from what has this `Content-Type`.
fn may_be_form(content_type: &[u8]) -> bool {
    const WORDS: [&[u8]; 3] = [b"urlencoded", b"url-encoded", b"multipart"];
    let name = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    // Nobody knows what a server takes it for.
    if !is_media_type(name.trim_ascii()) {
        return true;
    }
    // Anywhere in it, for servers look there: Tornado at the beginning of the name, Werkzeug for `x-url-encoded`, formidable
    // in parameters. One behind a comma may also be another field that was joined.
    let is_there =
        |word: &[u8]| content_type.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    WORDS.into_iter().any(is_there)
}

/// `type/subtype` (RFC 9110 section 8.3.1).
fn is_media_type(name: &[u8]) -> bool {
    let mut tokens = name.split(|&byte| byte == b'/');
    let (kind, subtype) = (tokens.next(), tokens.next());
    kind.is_some_and(is_token) && subtype.is_some_and(is_token) && tokens.next().is_none()
}

fn is_token(token: &[u8]) -> bool {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !token.is_empty() && token.iter().all(part)
}
