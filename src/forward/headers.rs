//! Which headers and trailers go, and which are set.

use http::{
    HeaderName, HeaderValue,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, TRAILER},
    request::Parts,
};

use crate::{
    error::config::ConfigError,
    forward::{Fields, Forward},
    method::{self, attestation, mutual_tls},
    wire::{
        authorization::is_basic,
        names::{Names, OF_PROXIES, is_like, remove_elements, remove_if},
    },
};

/// What is true of a form no more that was changed (RFC 9530 §2, §3; RFC 3230; RFC 1864), and what covers it (RFC 9421).
static OF_THE_FORM: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];
static SIGNATURES: [HeaderName; 2] =
    [HeaderName::from_static("signature"), HeaderName::from_static("signature-input")];

/// What HTTP, a proxy on the way or a framework judges a request by.
#[rustfmt::skip]
const RESERVED: [&str; 41] = [
    "accept", "authorization", "cache-control", "connection", "cookie", "date", "digest", "dpop", "early-data",
    "expect", "forwarded", "from", "host", "keep-alive", "max-forwards", "origin", "pragma", "prefer", "priority",
    "proxy", "range", "referer", "signature", "signature-input", "te", "trailer", "transfer-encoding", "upgrade",
    "user-agent", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-method", "x-forwarded-port",
    "x-forwarded-proto", "x-forwarded-uri", "x-http-method-override", "x-original-method", "x-original-uri",
    "x-original-url", "x-real-ip",
];
const RESERVED_BEGINNINGS: [&str; 6] =
    ["accept-", "access-control-", "content-", "if-", "proxy-", "sec-"];

/// In the extensions of a request whose form was changed, until its head is, too.
#[derive(Clone)]
pub(super) struct Rewritten {
    pub(super) length: usize,
}

impl Forward {
    /// The headers, beside `Authorization`, that credentials go from.
    fn of_credentials<'a>(
        &self,
        methods: &'a method::Settings,
    ) -> impl Iterator<Item = &'a HeaderName> + use<'a> {
        let methods = (!self.keep_credentials).then_some(methods);
        methods
            .into_iter()
            .flat_map(|methods| mutual_tls::headers(methods).chain(attestation::headers(methods)))
    }

    /// The trailers that go. Some servers merge them into the headers, which RFC 9110 §6.5.1 forbids.
    pub(super) fn trailers(&self, is_rewritten: bool, methods: &method::Settings) -> Option<Names> {
        let mut of_credentials = self.of_credentials(methods).peekable();
        if !is_rewritten && of_credentials.peek().is_none() {
            return (!self.names.is_empty()).then(|| self.names.clone());
        }
        let of_form = OF_THE_FORM.iter().chain(&SIGNATURES).filter(|_| is_rewritten);
        Some(of_form.chain(of_credentials).chain(self.names.iter()).cloned().collect())
    }

    /// Gives the head its last form, with these fields.
    pub(crate) fn send(&self, head: &mut Parts, fields: Fields, methods: &method::Settings) {
        let rewritten = head.extensions.remove::<Rewritten>();
        let headers = &mut head.headers;
        let mut is_signature_wrong = rewritten.is_some();
        if !self.keep_credentials {
            is_signature_wrong |= remove_basic(headers);
        }
        for name in self.of_credentials(methods) {
            let name = name.as_str().as_bytes();
            is_signature_wrong |= remove_if(headers, |one| is_like(one.as_str().as_bytes(), name));
        }
        if let Some(Rewritten { length }) = &rewritten {
            if headers.contains_key(CONTENT_LENGTH) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(*length));
            }
            remove_if(headers, |name| {
                let is_other_length =
                    is_like_one(name, &[CONTENT_LENGTH]) && name != CONTENT_LENGTH;
                is_other_length || name == EXPECT || is_like_one(name, &OF_THE_FORM)
            });
        }
        let (mut is_connection_there, mut are_trailers_told) = (false, false);
        remove_if(headers, |name| {
            is_connection_there |= name == CONNECTION;
            are_trailers_told |= name == TRAILER;
            self.names.has(name.as_str().as_bytes())
                || (is_signature_wrong && is_like_one(name, &SIGNATURES))
        });
        if is_connection_there {
            remove_elements(headers, &CONNECTION, |name| {
                self.names.has(name) || is_like(name, b"host") || begins_like(name, "content-")
            });
        }
        if are_trailers_told {
            let trailers = self.trailers(rewritten.is_some(), methods).unwrap_or_default();
            remove_elements(headers, &TRAILER, |name| trailers.has(name));
        }
        // A map without room for all of them gets none: a name without its method would be another client.
        for (name, value) in fields {
            if headers.try_insert(name, value).is_err() {
                self.names.remove_from(headers);
                break;
            }
        }
    }

    /// The name of an identity header.
    pub(super) fn checked(&self, name: &str) -> Result<HeaderName, ConfigError> {
        let of_others = [
            self.client_id.as_ref(),
            self.auth_method.as_ref(),
            self.thumbprint.as_ref(),
            self.key_thumbprint.as_ref(),
            self.signed.as_ref().map(|(name, _)| name),
        ];
        let others: Names = of_others.into_iter().flatten().cloned().collect();
        let bytes = name.as_bytes();
        if others.has(bytes) {
            return Err(ConfigError::RepeatedIdentityHeader(name.to_owned()));
        }
        let is_reserved = RESERVED.iter().any(|one| is_like(bytes, one.as_bytes()))
            || RESERVED_BEGINNINGS.iter().any(|beginning| begins_like(bytes, beginning));
        HeaderName::from_bytes(bytes)
            .ok()
            .filter(|_| !is_reserved)
            .ok_or_else(|| ConfigError::IdentityHeader(name.to_owned()))
    }

    /// The same, with the names of all.
    pub(super) fn named(mut self) -> Self {
        let signed = self.signed.as_ref().map(|(name, _)| name);
        let names = [&self.client_id, &self.auth_method, &self.thumbprint, &self.key_thumbprint];
        let of_proxies = self.ends_tls.then_some(&OF_PROXIES).into_iter().flatten();
        let names = names.into_iter().filter_map(Option::as_ref).chain(signed).chain(of_proxies);
        self.names = names.cloned().collect();
        self
    }
}

fn is_like_one(name: &HeaderName, others: &[HeaderName]) -> bool {
    let name = name.as_str().as_bytes();
    others.iter().any(|other| is_like(name, other.as_str().as_bytes()))
}

fn begins_like(name: &[u8], beginning: &str) -> bool {
    name.get(..beginning.len()).is_some_and(|begin| is_like(begin, beginning.as_bytes()))
}

/// Takes the credentials of clients away, and leaves those of other schemes. Tells whether there were any.
fn remove_basic(headers: &mut http::HeaderMap) -> bool {
    let mut found = false;
    let is_other = |value: &&HeaderValue| {
        let is_basic = is_basic(value.as_bytes());
        found |= is_basic;
        !is_basic
    };
    let others: Vec<_> = headers.get_all(AUTHORIZATION).iter().filter(is_other).cloned().collect();
    if !found {
        return false;
    }
    headers.remove(AUTHORIZATION);
    for other in others {
        let _appended = headers.try_append(AUTHORIZATION, other);
    }
    true
}
