//! What is handed on of a form: all but the credentials, byte for byte.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_client_auth::{
    ClientAuthLayer, ClientSecret, Limits, RegisteredClient, body::RequestBody, forward::Forward,
    provider::MemoryProvider,
};

use crate::{form, ready};

const CREDENTIALS: &[u8] = b"client_id=d&client_secret=right";
const MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe"];

/// Puts the right credentials behind anything, and in front of it. The last values count.
pub fn check(anything: &[u8]) {
    let behind = [anything, b"&", CREDENTIALS].concat();
    if MARKS.iter().any(|mark| behind.starts_with(mark)) {
        return;
    }
    assert_eq!(forwarded(&behind).as_deref(), Some(&*expected(&behind)));

    // Where it names somebody else it is refused.
    let around = [CREDENTIALS, b"&", anything].concat();
    if let Some(seen) = forwarded(&around) {
        assert_eq!(seen, expected(&around));
    }
}

/// The form that the service gets, if it is called.
fn forwarded(sent: &[u8]) -> Option<Bytes> {
    let client = RegisteredClient::secret_post("d", [ClientSecret::plain("right")], ());
    // Which finds a client whatever else there is.
    let layer = ClientAuthLayer::mcp_python_sdk(MemoryProvider::from_iter([client]))
        .limits(Limits::new().body(1 << 20).parameters(usize::MAX).credential(1 << 20))
        .forward(Forward::new().identity("x-client-id").unwrap());
    let service = layer.layer(service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
        let (head, body) = request.into_parts();
        let body = body.bytes().cloned().unwrap_or_default();
        assert_eq!(head.headers["x-client-id"], "d");
        assert_eq!(head.headers["content-length"], body.len().to_string());
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    }));
    let mut request = form(sent.to_vec());
    request.headers_mut().insert("content-length", sent.len().into());
    let response = ready(service.oneshot(request)).unwrap();
    response.status().is_success().then(|| {
        let body = ready(http_body_util::BodyExt::collect(response.into_body()));
        body.unwrap().to_bytes()
    })
}

fn expected(form: &[u8]) -> Vec<u8> {
    let pairs = form.split(|byte| *byte == b'&').filter(|pair| !is_credential(pair));
    let mut kept = pairs.collect::<Vec<_>>();
    if MARKS.iter().any(|mark| kept.first().is_some_and(|first| first.starts_with(mark))) {
        kept.insert(0, b"");
    }
    kept.join(&b'&')
}

fn is_credential(pair: &[u8]) -> bool {
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    [&b"client_secret"[..], b"client_assertion", b"client_assertion_type"]
        .contains(&&*decoded(name))
}

/// A name with an escape that is none is nothing.
fn decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(*bytes.next()?).to_digit(16);
        decoded.push(match byte {
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap(),
                _ => return Vec::new(),
            },
            b'+' => b' ',
            byte => *byte,
        });
    }
    decoded
}
