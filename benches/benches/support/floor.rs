//! The floor: what authentication costs at least.
//!
//! Straight-line code for this layer's default settings and nothing else, behind the smallest
//! possible tower service: no settings, no hooks, no second store, a provider that answers at once.
//! It does all that the RFCs ask of such a service, because a floor that does less is not one:
//!
//! - POST, one `Content-Type` of a form in UTF-8, no coding but `chunked`, no byte order mark, the declared
//!   and the received length and the number of parameters within their limits;
//! - one `Authorization`, marked sensitive, strict base64, strict form-decoding, no control
//!   characters, UTF-8;
//! - every parameter that may occur once occurs once, however its name is encoded; one method;
//!   `client_id` agrees wherever it is;
//! - the same work for an unknown client and for a wrong secret, in constant time, and expiry;
//! - on success the client in the extensions and the form as it was sent; on failure the JSON
//!   document, its four headers, and the reason in the extensions of the response.
//!
//! It allocates where tower and http make it: for the first extension and the first header, and to
//! join a form that came in pieces.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use http_body_util::Full;
use memchr::{memchr, memchr2};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{
    clients::{Client, Method, Store},
    stack::PARAMETERS,
};

const LIMIT: u64 = 2 * 1024 * 1024;
const DECODED: usize = 256;
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const ONCE: [&[u8]; 14] = [
    b"client_id",
    b"client_secret",
    b"client_assertion",
    b"client_assertion_type",
    b"grant_type",
    b"scope",
    b"code",
    b"redirect_uri",
    b"refresh_token",
    b"username",
    b"password",
    b"state",
    b"response_type",
    b"assertion",
];

/// What the inner service finds in the extensions.
#[derive(Clone)]
#[expect(dead_code, reason = "what counts is that it is there")]
pub(crate) struct Authenticated(Arc<Client>, Method);

/// What a log finds in the extensions of the response.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "what counts is that it is there")]
pub(crate) struct Refused(Reason);

#[derive(Clone, Copy, Debug)]
enum Reason {
    NotPost,
    MediaType,
    TooLarge,
    BodyRead,
    Malformed,
    Several,
    Client,
}

/// How often there is an `Authorization`.
#[derive(Clone, Copy)]
enum Presence {
    Absent,
    Single,
    Repeated,
}

#[derive(Clone, Copy)]
pub(crate) struct FloorLayer(pub(crate) &'static Store<Arc<Client>>);

impl<S> Layer<S> for FloorLayer {
    type Service = Floor<S>;

    fn layer(&self, inner: S) -> Floor<S> {
        Floor { inner, store: self.0 }
    }
}

#[derive(Clone)]
pub(crate) struct Floor<S> {
    inner: S,
    store: &'static Store<Arc<Client>>,
}

impl<S, B, R> Service<Request<B>> for Floor<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>> + Clone,
    B: Body<Data = Bytes>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Flow<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let (mut head, body) = request.into_parts();
        match admit(&mut head, &body) {
            Ok(authorization) => Flow::Collect {
                head: Some(head),
                authorization,
                body,
                received: 0,
                first: Bytes::new(),
                more: Vec::new(),
                inner,
                store: self.store,
            },
            Err(reason) => Flow::Refuse { reason },
        }
    }
}

pin_project! {
    #[project = FlowProj]
    pub(crate) enum Flow<S, B, F> {
        Collect {
            head: Option<Parts>,
            authorization: Presence,
            #[pin]
            body: B,
            received: u64,
            first: Bytes,
            more: Vec<Bytes>,
            inner: S,
            store: &'static Store<Arc<Client>>,
        },
        Call { #[pin] future: F },
        Refuse { reason: Reason },
    }
}

impl<S, B, R> Future for Flow<S, B, S::Future>
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    R: From<Bytes>,
{
    type Output = Result<Response<R>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match self.as_mut().project() {
                FlowProj::Collect {
                    head,
                    authorization,
                    mut body,
                    received,
                    first,
                    more,
                    inner,
                    store,
                } => {
                    let failed = loop {
                        match ready!(body.as_mut().poll_frame(cx))
                            .map(|frame| frame.map(http_body::Frame::into_data))
                        {
                            Some(Ok(Ok(data))) => {
                                *received += data.len() as u64;
                                if *received > LIMIT {
                                    break true;
                                }
                                if first.is_empty() { *first = data } else { more.push(data) }
                            }
                            Some(Ok(Err(_trailers))) => {}
                            Some(Err(_)) => break true,
                            None => break false,
                        }
                    };
                    let form =
                        if more.is_empty() { std::mem::take(first) } else { join(first, more) };
                    match head.take() {
                        Some(mut head) if !failed => {
                            match authenticate(&head, *authorization, &form, store) {
                                Ok(client) => {
                                    head.extensions.insert(client);
                                    let request = Request::from_parts(head, Full::new(form));
                                    Self::Call { future: inner.call(request) }
                                }
                                Err(reason) => Self::Refuse { reason },
                            }
                        }
                        _ => Self::Refuse { reason: Reason::BodyRead },
                    }
                }
                FlowProj::Call { future } => {
                    return future.poll(cx);
                }
                FlowProj::Refuse { reason } => return Poll::Ready(Ok(refuse(*reason))),
            };
            self.set(next);
        }
    }
}

fn join(first: &Bytes, more: &[Bytes]) -> Bytes {
    let length = first.len() + more.iter().map(Bytes::len).sum::<usize>();
    let mut all = Vec::with_capacity(length);
    all.extend_from_slice(first);
    more.iter().for_each(|part| all.extend_from_slice(part));
    all.into()
}

fn admit<B: Body>(head: &mut Parts, body: &B) -> Result<Presence, Reason> {
    let (mut media_types, mut is_form, mut coded) = (0, false, false);
    let mut authorization = Presence::Absent;
    // One pass: there are few, and hashing each name costs more.
    for (name, value) in head.headers.iter_mut() {
        if name == header::AUTHORIZATION {
            value.set_sensitive(true);
            authorization = match authorization {
                Presence::Absent => Presence::Single,
                _ => Presence::Repeated,
            };
        } else if name == header::CONTENT_TYPE {
            media_types += 1;
            is_form = is_form_in_utf_8(value.as_bytes());
        } else if name == header::CONTENT_ENCODING {
            coded = true;
        } else if name == header::TRANSFER_ENCODING {
            coded |= !value.as_bytes().eq_ignore_ascii_case(b"chunked");
        }
    }
    if head.method != http::Method::POST {
        return Err(Reason::NotPost);
    }
    if media_types != 1 || !is_form || coded {
        return Err(Reason::MediaType);
    }
    if body.size_hint().lower() > LIMIT { Err(Reason::TooLarge) } else { Ok(authorization) }
}

fn is_form_in_utf_8(media_type: &[u8]) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    if media_type == FORM {
        return true;
    }
    let (name, parameters) = split(media_type, b';').unwrap_or((media_type, &[]));
    name.trim_ascii_end().eq_ignore_ascii_case(FORM)
        && parameters.trim_ascii().eq_ignore_ascii_case(b"charset=utf-8")
}

fn authenticate(
    head: &Parts,
    authorization: Presence,
    form: &[u8],
    store: &Store<Arc<Client>>,
) -> Result<Authenticated, Reason> {
    let [form_id, form_secret, assertion, assertion_type] = scan(form)?;
    let authorization = match authorization {
        Presence::Absent => None,
        Presence::Single => head.headers.iter().find(|(name, _)| *name == header::AUTHORIZATION),
        Presence::Repeated => return Err(Reason::Several),
    };
    let mut buffer = [0; DECODED];
    let mut spare = [0; DECODED];
    if !assertion.is_empty() || !assertion_type.is_empty() {
        return Err(Reason::Several);
    }
    let (method, id, secret) = match authorization {
        Some((_, value)) if form_secret.is_empty() => {
            let (scheme, token) = value.as_bytes().split_at_checked(6).ok_or(Reason::Client)?;
            if !scheme.eq_ignore_ascii_case(b"basic ") {
                return Err(Reason::Client);
            }
            let length =
                BASE64.decode_slice(token, &mut buffer).map_err(|_not_base64| Reason::Client)?;
            let pair = buffer.get(..length).unwrap_or_default();
            let (id, secret) = split(pair, b':').ok_or(Reason::Client)?;
            let (id, secret) = decode(id, secret, &mut spare)?;
            if !form_id.is_empty() {
                let mut third = [0; DECODED];
                if decode(form_id, &[], &mut third)?.0 != id {
                    return Err(Reason::Malformed);
                }
            }
            (Method::Basic, id, secret)
        }
        None if !form_secret.is_empty() => {
            let (id, secret) = decode(form_id, form_secret, &mut buffer)?;
            (Method::Post, id, secret)
        }
        None => (Method::None, decode(form_id, &[], &mut buffer)?.0, ""),
        Some(_) => return Err(Reason::Several),
    };
    let found = store.get(id);
    // An unknown client is compared with something, too.
    let stored =
        found.map_or("a secret of no client at all, 43 bytes long", |client| &client.secret);
    let matches = method == Method::None || equal(stored.as_bytes(), secret.as_bytes());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    match found {
        Some(client)
            if matches
                & (client.method == method)
                & (client.expires_at == 0
                    || client.expires_at > i64::try_from(now).unwrap_or(i64::MAX)) =>
        {
            Ok(Authenticated(Arc::clone(client), method))
        }
        _ => Err(Reason::Client),
    }
}

/// Constant time, whatever the length of the stored secret.
fn equal(stored: &[u8], presented: &[u8]) -> bool {
    let same_length = stored.len() == presented.len();
    let against = if same_length { stored } else { presented };
    constant_time_eq::constant_time_eq(against, presented) & same_length & !presented.is_empty()
}

/// The values of the first four names in [`ONCE`].
fn scan(form: &[u8]) -> Result<[&[u8]; 4], Reason> {
    let mut values: [&[u8]; 4] = [&[]; 4];
    let mut seen = 0_u16;
    let mut parameters = 0_usize;
    let mut rest = form;
    if matches!(form, [0xef, 0xbb, 0xbf, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..]) {
        return Err(Reason::Malformed);
    }
    while !rest.is_empty() {
        let (pair, after) = split(rest, b'&').unwrap_or((rest, &[]));
        rest = after;
        parameters += 1;
        if parameters > PARAMETERS {
            return Err(Reason::Several);
        }
        let (name, value) = split_name(pair);
        let Some(index) = known(name) else { continue };
        if seen & 1 << index != 0 {
            return Err(Reason::Several);
        }
        seen |= 1 << index;
        if let Some(slot) = values.get_mut(index) {
            *slot = value;
        }
    }
    Ok(values)
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = bytes.split_at_checked(memchr(at, bytes)?)?;
    Some((before, rest.get(1..)?))
}

/// Names are short: a loop is faster than a vector search.
fn split_name(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|&byte| byte == b'=').and_then(|at| pair.split_at_checked(at)) {
        Some((name, rest)) => (name, rest.get(1..).unwrap_or_default()),
        None => (pair, &[]),
    }
}

fn known(name: &[u8]) -> Option<usize> {
    if name.contains(&b'%') {
        let mut plain = [0; 24];
        let length = unescape(name, &mut plain)?;
        return ONCE.iter().position(|once| plain.get(..length) == Some(once));
    }
    ONCE.iter().position(|once| *once == name)
}

/// Decodes id and secret in place if nothing is escaped, and else into `spare`.
fn decode<'a>(
    id: &'a [u8],
    secret: &'a [u8],
    spare: &'a mut [u8; DECODED],
) -> Result<(&'a str, &'a str), Reason> {
    let escaped = memchr2(b'%', b'+', id).is_some() || memchr2(b'%', b'+', secret).is_some();
    let (id, secret) = if escaped {
        let length = unescape(id, spare).ok_or(Reason::Malformed)?;
        let (id, rest) = spare.split_at_mut_checked(length).ok_or(Reason::Malformed)?;
        let length = unescape(secret, rest).ok_or(Reason::Malformed)?;
        (&*id, rest.get(..length).unwrap_or_default())
    } else {
        (id, secret)
    };
    let controls =
        |text: &[u8]| text.iter().fold(false, |found, byte| found | byte.is_ascii_control());
    if id.is_empty() || controls(id) || controls(secret) {
        return Err(Reason::Malformed);
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_not_utf8| Reason::Malformed);
    Ok((text(id)?, text(secret)?))
}

fn unescape(value: &[u8], into: &mut [u8]) -> Option<usize> {
    let digit =
        |at: Option<&u8>| char::from(*at?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut rest, mut length) = (value, 0);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        *into.get_mut(length)? = match byte {
            b'+' => b' ',
            b'%' => {
                let byte = digit(rest.first())? << 4 | digit(rest.get(1))?;
                rest = rest.get(2..)?;
                byte
            }
            byte => byte,
        };
        length += 1;
    }
    Some(length)
}

fn refuse<R: From<Bytes>>(reason: Reason) -> Response<R> {
    let (status, json) = match reason {
        Reason::Client => (
            StatusCode::UNAUTHORIZED,
            r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#,
        ),
        Reason::NotPost => (StatusCode::METHOD_NOT_ALLOWED, r#"{"error":"invalid_request"}"#),
        Reason::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, r#"{"error":"invalid_request"}"#),
        Reason::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, r#"{"error":"invalid_request"}"#),
        _ => (StatusCode::BAD_REQUEST, r#"{"error":"invalid_request"}"#),
    };
    let mut response = Response::new(R::from(Bytes::from_static(json.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(r#"Basic realm="OAuth", charset="UTF-8""#);
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(Refused(reason));
    response
}
