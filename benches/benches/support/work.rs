//! The requests.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

#[cfg(feature = "mtls")]
use super::certificates;
use super::clients::{Client, Method};

/// What the caller sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Basic,
    Post,
    /// As `Post`, with the credentials in front of all others.
    PostFirst,
    Public,
    /// Basic, with a secret that is wrong in its first byte.
    WrongFirst,
    /// Basic, with a secret that is wrong in its last byte.
    WrongLast,
    /// Basic, from an unknown client.
    Unknown,
    /// Basic, with the right secret, which has expired.
    Expired,
    /// From a public client whose id is the URL of its metadata. Not in every store.
    Document,
    /// From a client of this method, on a connection with its certificate.
    #[cfg(feature = "mtls")]
    TlsClientAuth,
    #[cfg(feature = "mtls")]
    SelfSignedTls,
    /// From an unknown client, on a connection with a certificate.
    #[cfg(feature = "mtls")]
    UnknownWithCertificate,
    /// As the first, with the certificate in a header.
    #[cfg(feature = "mtls")]
    ClientCert,
    /// From a client and from nobody, on a connection with a certificate of many names that are neither's.
    #[cfg(feature = "mtls")]
    ManyNames,
    #[cfg(feature = "mtls")]
    UnknownWithManyNames,
}

impl Case {
    pub(crate) const ALL: [Self; 7] = [
        Self::Basic,
        Self::Post,
        Self::Public,
        Self::WrongFirst,
        Self::WrongLast,
        Self::Unknown,
        Self::Expired,
    ];

    /// Those that are accepted, one for each method.
    pub(crate) const RIGHT: [Self; 3] = [Self::Basic, Self::Post, Self::Public];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Post => "post",
            Self::PostFirst => "post-first",
            Self::Public => "public",
            Self::WrongFirst => "wrong",
            Self::WrongLast => "wrong-last",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Document => "document",
            #[cfg(feature = "mtls")]
            Self::TlsClientAuth => "tls_client_auth",
            #[cfg(feature = "mtls")]
            Self::SelfSignedTls => "self_signed_tls_client_auth",
            #[cfg(feature = "mtls")]
            Self::UnknownWithCertificate => "unknown",
            #[cfg(feature = "mtls")]
            Self::ClientCert => "client-cert",
            #[cfg(feature = "mtls")]
            Self::ManyNames => "many names",
            #[cfg(feature = "mtls")]
            Self::UnknownWithManyNames => "unknown with many names",
        }
    }

    /// What a program that authenticates must answer.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Basic | Self::Post | Self::PostFirst | Self::Public | Self::Document => {
                StatusCode::OK
            }
            #[cfg(feature = "mtls")]
            Self::TlsClientAuth | Self::SelfSignedTls | Self::ClientCert => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// The smallest number of a client that this case can be about.
    const fn first(self) -> u64 {
        match self {
            Self::Basic | Self::WrongFirst | Self::WrongLast | Self::Unknown => 0,
            Self::Post | Self::PostFirst => 1,
            Self::Public | Self::Document => 2,
            Self::Expired => 3,
            // Clients of mutual TLS have the numbers of those that present an id alone.
            #[cfg(feature = "mtls")]
            Self::TlsClientAuth
            | Self::SelfSignedTls
            | Self::UnknownWithCertificate
            | Self::ClientCert
            | Self::ManyNames
            | Self::UnknownWithManyNames => 2,
        }
    }

    /// The `n`th request of this case, for a store of `clients`, with a form of `length` bytes.
    pub(crate) fn request(self, n: u64, clients: u64, shape: Shape) -> Request<Frames> {
        let number = match self {
            Self::Expired => 3,
            _ => self.first() + 4 * (n % (clients / 4)),
        };
        let mut client = Client::new(number);
        match self {
            Self::WrongFirst => client.secret.replace_range(..1, "-"),
            Self::WrongLast => client.secret.replace_range(42.., "-"),
            Self::Unknown => client.id.replace_range(..1, "x"),
            #[cfg(feature = "mtls")]
            Self::UnknownWithCertificate | Self::UnknownWithManyNames => {
                client.id.replace_range(..1, "x");
            }
            // As it is in the form.
            Self::Document => client.id.insert_str(0, "https%3A%2F%2Fclient.example%2F"),
            _ => {}
        }
        let credentials = match client.method {
            Method::Basic => String::new(),
            Method::Post => format!("&client_id={}&client_secret={}", client.id, client.secret),
            Method::None => format!("&client_id={}", client.id),
        };
        let mut form = shape.form(&credentials);
        if self == Self::PostFirst {
            let rest = form.split_to(form.len() - credentials.len());
            let first = credentials.trim_start_matches('&').as_bytes();
            form = [first, b"&", &rest].concat().into();
        }
        let is_basic = client.method == Method::Basic;
        let request = request(
            is_basic.then(|| basic(&client.id, &client.secret)).as_deref(),
            Frames::split(form, shape.frame()),
        );
        match self {
            #[cfg(feature = "mtls")]
            Self::TlsClientAuth | Self::SelfSignedTls | Self::UnknownWithCertificate => {
                certificates::on_connection(request)
            }
            #[cfg(feature = "mtls")]
            Self::ClientCert => certificates::in_header(request),
            #[cfg(feature = "mtls")]
            Self::ManyNames | Self::UnknownWithManyNames => certificates::with_many_names(request),
            _ => request,
        }
    }
}

/// The value of `Authorization`.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// What curl sends, in its order.
pub(crate) fn request(authorization: Option<&str>, form: Frames) -> Request<Frames> {
    let mut request = Request::post("/token").header(header::HOST, "as.example.com");
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    request
        .header(header::USER_AGENT, "curl/8.5.0")
        .header(header::ACCEPT, "*/*")
        .header(header::CONTENT_LENGTH, form.length)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form)
        .unwrap_or_default()
}

/// The most common token request: a code, with its PKCE verifier (RFC 6749 §4.1.3, RFC 7636 §4.5)
/// and the resource that the token is for (RFC 8707 §2), whose value follows.
const CODE_GRANT: &str = "grant_type=authorization_code&code=SplxlOBeZQQYbYS6WxSbIA\
    &redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb\
    &code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&resource=";

/// What fills the form beside the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// 300 bytes in one frame.
    Usual,
    /// One long value, in frames of 8 KiB.
    Long(usize),
    /// Fields of 14 bytes, in frames of 8 KiB.
    Many(usize),
    /// One long value, in frames of 64 bytes.
    Crumbs(usize),
}

impl Shape {
    const fn frame(self) -> usize {
        match self {
            Self::Usual => usize::MAX,
            Self::Long(_) | Self::Many(_) => 8 * 1024,
            Self::Crumbs(_) => 64,
        }
    }

    pub(crate) fn form(self, credentials: &str) -> Bytes {
        let mut form = String::from(CODE_GRANT);
        match self {
            Self::Usual => {
                fill(&mut form, 300 - credentials.len(), "https%3A%2F%2Fmcp.example.com%2F");
            }
            Self::Long(length) | Self::Crumbs(length) => {
                fill(&mut form, length - credentials.len(), "abcdefgh");
            }
            Self::Many(length) => {
                form.push('r');
                fill(&mut form, length - credentials.len(), "&field=a%20bcd");
            }
        }
        form.push_str(credentials);
        form.into()
    }
}

fn fill(form: &mut String, length: usize, with: &str) {
    while form.len() < length {
        form.push_str(with);
    }
    form.truncate(length);
}

/// A body that is there in pieces.
#[derive(Default)]
pub(crate) struct Frames {
    pub(crate) frames: VecDeque<Bytes>,
    pub(crate) length: u64,
    /// Whether more is to come behind the last frame, and never does.
    pub(crate) stalled: bool,
}

impl Frames {
    pub(crate) fn split(mut body: Bytes, size: usize) -> Self {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let mut frames = VecDeque::new();
        while !body.is_empty() {
            frames.push_back(body.split_to(body.len().min(size)));
        }
        Self { frames, length, stalled: false }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frames.pop_front() {
            None if self.stalled => Poll::Pending,
            data => Poll::Ready(data.map(|data| Ok(Frame::data(data)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && !self.stalled
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
