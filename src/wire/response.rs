//! Puts a refusal into HTTP or gRPC.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
    request::Parts,
};

use crate::{
    error::{Error, config::ConfigError, entry::answer, kind::ErrorKind, throttled::Throttled},
    isolate::guard,
    wire::{
        admission::Protocol,
        authorization::{Authorization, Presence, is_basic},
        document::document,
    },
};

/// Without a realm of the application's own.
pub(crate) const DEFAULT_CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"OAuth\", charset=\"UTF-8\"");

type Hook = dyn Fn(&Error, Response<Bytes>) -> Response<Bytes> + Send + Sync;
type TextHook = dyn Fn(&Error) -> Option<Cow<'static, str>> + Send + Sync;

/// How refusals are answered.
#[derive(Clone)]
pub(crate) struct Answers {
    /// As a quoted string has it.
    realm: Box<str>,
    /// The challenge after an `Authorization` header.
    basic_challenge: HeaderValue,
    /// The challenge of every other 401.
    challenge: HeaderValue,
    pub(crate) hook: Option<Arc<Hook>>,
    /// In place of the other one where the answer is that of gRPC.
    pub(crate) grpc_hook: Option<Arc<Hook>>,
    pub(crate) description: Option<Arc<TextHook>>,
    pub(crate) uri: Option<Arc<TextHook>>,
}

impl Answers {
    /// RFC 7617 §2, RFC 9110 §5.6.4: the realm is a quoted string. `scheme` is the first accepted
    /// method, unless that is Basic.
    pub(crate) fn set_realm(
        &mut self,
        realm: &str,
        scheme: Option<&str>,
    ) -> Result<(), ConfigError> {
        if realm.is_empty() || realm.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(ConfigError::Realm);
        }
        let quoted = realm.replace('\\', r"\\").replace('"', "\\\"");
        let value =
            |text: String| HeaderValue::try_from(text).map_err(|_invalid| ConfigError::Realm);
        self.basic_challenge = value(format!("Basic realm=\"{quoted}\", charset=\"UTF-8\""))?;
        self.realm = quoted.into();
        self.offer(scheme);
        Ok(())
    }

    /// RFC 9110 §15.5.2: a 401 has a challenge, always. Where Basic is not accepted it must not be
    /// offered, and there is no registered scheme for credentials in a form; the IANA name of an
    /// accepted method is a valid scheme name and says what is meant.
    pub(crate) fn offer(&mut self, scheme: Option<&str>) {
        let challenge = scheme.and_then(|scheme| {
            HeaderValue::try_from(format!("{scheme} realm=\"{}\"", self.realm)).ok()
        });
        self.challenge = challenge.unwrap_or_else(|| self.basic_challenge.clone());
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            realm: "OAuth".into(),
            basic_challenge: DEFAULT_CHALLENGE,
            challenge: DEFAULT_CHALLENGE,
            hook: None,
            grpc_hook: None,
            description: None,
            uri: None,
        }
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("realm", &self.realm)
            .field("challenge", &self.challenge)
            .field("map_error_response", &self.hook.is_some())
            .field("map_grpc_error_response", &self.grpc_hook.is_some())
            .field("error_description", &self.description.is_some())
            .field("error_uri", &self.uri.is_some())
            .finish()
    }
}

/// The answer to a refused request, with the error in its extensions. `other` may replace
/// the answer over HTTP.
pub(crate) fn refuse(
    mut error: Error,
    protocol: Protocol,
    head: &Parts,
    authorization: Presence,
    answers: &Answers,
    other: impl FnOnce(&Error) -> Option<Response<Bytes>>,
) -> Response<Bytes> {
    let put = |error: &Error, response: &mut Response<Bytes>| match protocol {
        Protocol::Http => {
            let authorization = Authorization::read(&head.headers, authorization);
            json(error, authorization, answers, response);
        }
        Protocol::Grpc => trailers_only(error, "application/grpc", response),
        Protocol::GrpcWeb => trailers_only(error, "application/grpc-web+proto", response),
    };
    let mut response = Response::new(Bytes::new());
    let other = if protocol == Protocol::Http { other(&error) } else { None };
    match other {
        Some(other) => response = other,
        None => put(&error, &mut response),
    }
    let (name, hook) = match protocol {
        Protocol::Http => ("map_error_response", &answers.hook),
        Protocol::Grpc | Protocol::GrpcWeb => ("map_grpc_error_response", &answers.grpc_hook),
    };
    if let Some(hook) = hook {
        if let Some(changed) = guard::hook(name, || hook(&error, response)) {
            response = changed;
        } else {
            error = ErrorKind::Panicked.into();
            response = Response::new(Bytes::new());
            put(&error, &mut response);
        }
    }
    without_content(&mut response, head);
    response.extensions_mut().insert(error);
    response
}

/// The answer to a request for which there are no settings.
#[cold]
pub(crate) fn plain(error: Error, head: &Parts) -> Response<Bytes> {
    refuse(error, Protocol::Http, head, Presence::Absent, &Answers::default(), |_error| None)
}

/// The answer to a request for which there is no layer.
#[cold]
pub(crate) fn not_found(head: &Parts) -> Response<Bytes> {
    let answer = answer!(invalid_request, NOT_FOUND, "There is no such tenant");
    let json = Bytes::from_static(answer.json.as_bytes());
    let reply = Reply { status: answer.status, json, kind: None, retry_after: None };
    let mut response = Response::new(Bytes::new());
    write(reply, || DEFAULT_CHALLENGE, &mut response);
    without_content(&mut response, head);
    response
}

/// RFC 9110 §9.3.2: an answer to HEAD has no content, and an HTTP/2 peer takes it for an error.
pub(crate) fn without_content(response: &mut Response<Bytes>, head: &Parts) {
    if head.method == Method::HEAD {
        *response.body_mut() = Bytes::new();
    }
}

/// RFC 6749 §5.2.
fn json(
    error: &Error,
    authorization: Authorization<'_>,
    answers: &Answers,
    response: &mut Response<Bytes>,
) {
    let answer = &error.kind().entry().answer;
    let json = match answers {
        Answers { description: None, uri: None, .. } => Bytes::from_static(answer.json.as_bytes()),
        _ => described(error, answers),
    };
    // It is looked for among errors of the application.
    let retry_after = guard::call(|| error.throttled().map(Throttled::retry_after)).flatten();
    let reply = Reply { status: answer.status, json, kind: Some(error.kind()), retry_after };
    let challenge = || {
        // RFC 6749 §5.2: the scheme that the client used, if it used one.
        let used_basic = matches!(authorization, Authorization::Single(value) if is_basic(value));
        if used_basic { &answers.basic_challenge } else { &answers.challenge }.clone()
    };
    write(reply, challenge, response);
}

/// The document with the texts of the application. A hook that panics has none.
#[cold]
fn described(error: &Error, answers: &Answers) -> Bytes {
    let answer = &error.kind().entry().answer;
    let ask = |name, hook: &Option<Arc<TextHook>>| {
        hook.as_ref().and_then(|hook| guard::hook(name, || hook(error)).flatten())
    };
    let description = ask("error_description", &answers.description);
    let uri = ask("error_uri", &answers.uri);
    let description = description.as_deref().unwrap_or(answer.description);
    document(answer.code, description, uri.as_deref().unwrap_or_default()).into()
}

/// What is answered, over HTTP.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) json: Bytes,
    pub(crate) kind: Option<ErrorKind>,
    pub(crate) retry_after: Option<Duration>,
}

/// Every error that this crate answers with: the document, and the headers that its status asks for.
pub(crate) fn write(
    reply: Reply,
    challenge: impl FnOnce() -> HeaderValue,
    response: &mut Response<Bytes>,
) {
    let Reply { status, json, kind, mut retry_after } = reply;
    *response.body_mut() = json;
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    match status {
        // RFC 9110 §15.5.2: a 401 MUST carry a challenge. RFC 6750 §3.1 has one for 403.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            headers.insert(WWW_AUTHENTICATE, challenge());
        }
        // RFC 9110 §15.5.6: a 405 MUST say what is allowed.
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        // RFC 9110 §15.5.16.
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            let (name, value) = match kind {
                Some(ErrorKind::UnsupportedContentEncoding) => (ACCEPT_ENCODING, "identity"),
                Some(ErrorKind::NotGrpc) => (ACCEPT, "application/grpc"),
                _ => (ACCEPT, "application/x-www-form-urlencoded"),
            };
            headers.insert(name, HeaderValue::from_static(value));
        }
        // RFC 9110 §15.6.4, RFC 6585 §4. Without it, clients retry at once.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            retry_after = retry_after.or(Some(Duration::from_secs(1)));
        }
        _ => {}
    }
    if let Some(wait) = retry_after {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        headers.insert(RETRY_AFTER, seconds.into());
    }
}

/// gRPC over HTTP/2, "Responses": a status without a message is sent as headers alone, with HTTP
/// status 200.
fn trailers_only(error: &Error, media_type: &'static str, response: &mut Response<Bytes>) {
    let (status, message) = match error.status() {
        StatusCode::UNAUTHORIZED => ("16", "client authentication failed"),
        StatusCode::TOO_MANY_REQUESTS => ("8", "too many attempts"),
        StatusCode::SERVICE_UNAVAILABLE => ("14", "clients cannot be authenticated at the moment"),
        StatusCode::INTERNAL_SERVER_ERROR => ("13", "internal error"),
        _ => ("3", "malformed client authentication"),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert("grpc-status", HeaderValue::from_static(status));
    headers.insert("grpc-message", HeaderValue::from_static(message));
}
