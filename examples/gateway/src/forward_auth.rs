//! Answers proxies that keep the traffic to themselves: nginx `auth_request`, Traefik `forwardAuth`, Envoy
//! `ext_authz`.
//!
//! Such a check has the head of a request, and not its body. So it can only be for requests whose credentials are in
//! the head.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
    request::Parts,
};
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
        let types = headers.get_all(header::CONTENT_TYPE).iter();
        let mut types = types.flat_map(|types| types.as_bytes().split(|&byte| byte == b','));
        if types.any(is_form) {
            return Err(Refusal::FORM);
        }
        told(headers, ["x-original-method", "x-forwarded-method"])
    }

    /// Yes, and who it is.
    pub(crate) fn answer(&self, head: &Parts) -> Reply {
        let mut answer = Response::new(Either::Right(Full::new(Bytes::new())));
        for name in &self.identity {
            if let Some(value) = head.headers.get(name) {
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

fn is_form(media_type: &[u8]) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let name = media_type.split(|&byte| byte == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(FORM)
}
