//! Sends a request through the layer, in front of a service that records what it sees, and gives
//! back everything that can be observed, so that tests compare whole answers.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    mem,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt};
#[cfg(feature = "jwt")]
use tower_client_auth::assertion::InvalidAssertion;
#[cfg(feature = "unstable-attestation")]
use tower_client_auth::attestation::InvalidAttestation;
#[cfg(feature = "mtls")]
use tower_client_auth::mutual_tls::CertificateError;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientAuthLayer, ClientProvider, ClientSecret,
    Clock, Error, ErrorKind, RegisteredClient, body::RequestBody, provider::MemoryProvider,
};

/// The time of the clock of all tests.
pub(crate) const NOW: i64 = 1_900_000_000;

/// Every secret of these tests holds it, so that one search finds any leak of any of them. It has
/// no character that an encoding of forms would change.
pub(crate) const MARK: &str = "s3cr3t";

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// The application's client. It has no `Clone` and no `Debug`, because the layer asks for neither.
pub(crate) struct App(pub(crate) String);

pub(crate) type Clients = MemoryProvider<App>;

pub(crate) fn app(client_id: &str) -> App {
    App(format!("app of {client_id}"))
}

pub(crate) fn basic_client(
    client_id: &str,
    secrets: impl IntoIterator<Item = ClientSecret>,
) -> RegisteredClient<App> {
    RegisteredClient::secret_basic(client_id, secrets, app(client_id))
}

pub(crate) fn post_client(
    client_id: &str,
    secrets: impl IntoIterator<Item = ClientSecret>,
) -> RegisteredClient<App> {
    RegisteredClient::secret_post(client_id, secrets, app(client_id))
}

pub(crate) fn public_client(client_id: &str) -> RegisteredClient<App> {
    RegisteredClient::public(client_id, app(client_id))
}

/// A registration as a database row would have it, which fails closed where it must.
pub(crate) fn stored_client(
    client_id: &str,
    method: &str,
    secrets: impl IntoIterator<Item = ClientSecret>,
) -> RegisteredClient<App> {
    RegisteredClient::new(client_id, &AuthMethod::from(method), secrets, app(client_id))
        .unwrap_or_else(tower_client_auth::provider::InvalidRegistration::into_unusable)
}

pub(crate) fn plain(secret: &str) -> ClientSecret {
    ClientSecret::plain(secret)
}

/// The clients that most tests are about.
pub(crate) fn clients() -> Clients {
    let mut all = vec![
        basic_client("basic", [plain("basic-s3cr3t")]),
        post_client("post", [plain("post-s3cr3t")]),
        public_client("public"),
        basic_client("digest", [ClientSecret::sha256_of("digest-s3cr3t")]),
        post_client("post-digest", [ClientSecret::sha256_of("digest-s3cr3t")]),
        basic_client("rotating", [plain("old-s3cr3t"), ClientSecret::sha256_of("new-s3cr3t")]),
        basic_client("expired", [plain("expired-s3cr3t").expires_at(NOW - 1)]),
        basic_client("expiring", [plain("expiring-s3cr3t").expires_at(NOW)]),
        basic_client("living", [plain("living-s3cr3t").expires_at(NOW + 1)]),
        basic_client("immortal", [plain("immortal-s3cr3t").expires_at(0)]),
        basic_client("early", [plain("early-s3cr3t").not_before(NOW + 1)]),
        basic_client("early-no-more", [plain("early-s3cr3t").not_before(NOW)]),
        post_client("post-expired", [plain("expired-s3cr3t").expires_at(NOW - 1)]),
        stored_client("secretless", "client_secret_basic", []),
        basic_client("secretless-unchecked", []),
        basic_client("empty-secret", [plain("")]),
        post_client("post-empty-secret", [plain("")]),
        stored_client("none-with-secret", "none", [plain("none-s3cr3t")]),
        stored_client("pigeon", "carrier_pigeon", [plain("pigeon-s3cr3t")]),
        stored_client("pigeon-secretless", "carrier_pigeon", []),
        stored_client("jwt", "private_key_jwt", []),
        stored_client("hmac", "client_secret_jwt", [plain("hmac-s3cr3t")]),
        stored_client("mtls", "tls_client_auth", []),
        stored_client("self-signed", "self_signed_tls_client_auth", []),
        stored_client("attested", "attest_jwt_client_auth", []),
    ];
    // One secret under two methods, for everything that must hold for both.
    for (client_id, secret) in ODD {
        all.push(basic_client(client_id, [plain(secret)]));
        all.push(post_client(&format!("post {client_id}"), [plain(secret)]));
    }
    all.into_iter().collect()
}

/// Ids and secrets that encodings trip over.
pub(crate) const ODD: [(&str, &str); 10] = [
    ("my client", "with space s3cr3t"),
    ("my+client", "with+plus s3cr3t"),
    ("colon:id", "a:b:s3cr3t"),
    ("percent%41", "100%25-s3cr3t"),
    ("caf\u{e9}", "\u{20ac}-s3cr3t-\u{1f600}"),
    ("cafe\u{301}", "other-s3cr3t"),
    (" padded ", " padded s3cr3t "),
    ("Case", "upper-s3cr3t"),
    ("replaced", "s3cr3t-\u{fffd}"),
    ("https://client.example/metadata.json", "url-s3cr3t"),
];

/// A request, before its body is given a type.
#[derive(Clone, Debug)]
pub(crate) struct TestRequest {
    pub(crate) method: &'static str,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl TestRequest {
    /// POST with a form.
    pub(crate) fn form(body: impl AsRef<[u8]>) -> Self {
        Self::bare().with("content-type", FORM).body(body)
    }

    /// POST with nothing else.
    pub(crate) fn bare() -> Self {
        Self { method: "POST", uri: "/token".into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn uri(mut self, uri: &str) -> Self {
        self.uri = uri.into();
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }

    pub(crate) fn authorization(self, value: impl AsRef<[u8]>) -> Self {
        self.with("authorization", value)
    }

    /// `Authorization: Basic` with the bytes as they are, `id:secret`.
    pub(crate) fn basic(self, bytes: impl AsRef<[u8]>) -> Self {
        self.authorization(basic(bytes))
    }

    pub(crate) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::from(self.body.clone()));
        *request.method_mut() = self.method.parse().unwrap();
        *request.uri_mut() = self.uri.parse().unwrap();
        for (name, value) in &self.headers {
            request
                .headers_mut()
                .append(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        request
    }

    /// The whole answer if the inner service is called once, sees the request as it was sent, and
    /// this client.
    pub(crate) fn accepted(&self, client_id: &str, method: AuthMethod) -> Answer {
        Answer {
            lookups: vec![client_id.into()],
            calls: vec![Seen {
                method: self.method.into(),
                uri: self.uri.clone(),
                headers: sorted(self.request().headers()),
                authorization_is_sensitive: true,
                client: Some((client_id.into(), method, app(client_id).0)),
                length: Some(self.body.len()),
                body: Bytes::from(self.body.clone()),
                trailers: Vec::new(),
            }],
            ..inner_answer()
        }
    }
}

pub(crate) fn basic(bytes: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(bytes))
}

/// Everything that can be observed of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) kind: Option<ErrorKind>,
    /// The ids that the provider was asked for.
    pub(crate) lookups: Vec<String>,
    /// What the inner service was called with.
    pub(crate) calls: Vec<Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) authorization_is_sensitive: bool,
    /// Id, method, application's client.
    pub(crate) client: Option<(String, AuthMethod, String)>,
    /// What `size_hint` promised, if that was exact.
    pub(crate) length: Option<usize>,
    pub(crate) body: Bytes,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self.headers.sort();
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|header| header.0 != name);
        self
    }

    /// What the caller can see of it.
    pub(crate) fn wire(&self) -> (u16, &[(String, String)], &str) {
        (self.status, &self.headers, &self.body)
    }
}

/// What the recording service answers.
pub(crate) fn inner_answer() -> Answer {
    Answer {
        status: 200,
        headers: vec![("x-inner".into(), "called".into())],
        body: "from inside".into(),
        kind: None,
        lookups: Vec::new(),
        calls: Vec::new(),
    }
}

pub(crate) const CHALLENGE: &str = r#"Basic realm="OAuth", charset="UTF-8""#;

const NOT_AUTHENTICATED: &str = "Client authentication failed";

/// The refusals as the documentation has them: status, `error`, `error_description`, and the header
/// that the status asks for. This table is the reference, so nothing of it is taken from the crate.
pub(crate) const REFUSALS: &[(ErrorKind, u16, &str, &str, &str)] = {
    use ErrorKind as K;
    const R: &str = "invalid_request";
    const C: &str = "invalid_client";
    const T: &str = "temporarily_unavailable";
    &[
        (K::MethodNotAllowed, 405, R, "The request method must be POST", "allow"),
        (
            K::UnsupportedMediaType,
            415,
            R,
            "The body must be application/x-www-form-urlencoded",
            "accept",
        ),
        (K::UnsupportedCharset, 415, R, "The charset of the body must be UTF-8", "accept"),
        (K::UnexpectedGrpc, 415, R, "The body must be application/x-www-form-urlencoded", "accept"),
        (K::NotGrpc, 415, R, "The request must be gRPC", "accept"),
        // Never sent.
        (K::Abandoned, 408, R, "The request was abandoned", ""),
        (
            K::UnsupportedContentEncoding,
            415,
            R,
            "The body must not have a content coding",
            "accept-encoding",
        ),
        (
            K::UnsupportedTransferCoding,
            501,
            R,
            "The transfer coding of the body must be chunked",
            "",
        ),
        (K::InsecureTransport, 400, R, "The request must be made over TLS", ""),
        (K::BodyTooLarge, 413, R, "The body is too large", ""),
        (K::BodyRead, 400, R, "The body could not be read", ""),
        (K::BodyTimeout, 408, R, "The body did not arrive in time", ""),
        (K::TooManyParameters, 400, R, "There are too many parameters", ""),
        (K::RepeatedParameter, 400, R, "A parameter is repeated", ""),
        (K::MalformedParameter, 400, R, "A client credential parameter is malformed", ""),
        (K::CredentialTooLong, 400, R, "A client credential is too long", ""),
        (K::CredentialsInUri, 400, R, "Client credentials must not be sent in the URI", ""),
        (
            K::RepeatedAuthorization,
            400,
            R,
            "There must be one Authorization header with one credential",
            "",
        ),
        (K::MultipleMethods, 400, R, "Only one client authentication method may be used", ""),
        (K::ClientIdMismatch, 400, R, "client_id and the client credentials disagree", ""),
        (K::MissingClientId, 400, R, "client_id is missing", ""),
        (K::NoCredentials, 401, C, "Client authentication is required", ""),
        (K::UnsupportedScheme, 401, C, "The Authorization scheme is not supported", ""),
        (K::MalformedAuthorization, 401, C, "The Authorization header is malformed", ""),
        (K::MethodNotAccepted, 401, C, "The client authentication method is not accepted here", ""),
        (K::UnknownClient, 401, C, NOT_AUTHENTICATED, ""),
        (K::MethodMismatch, 401, C, NOT_AUTHENTICATED, ""),
        (K::WrongSecret, 401, C, NOT_AUTHENTICATED, ""),
        (K::SecretExpired, 401, C, NOT_AUTHENTICATED, ""),
        (K::SecretNotYetValid, 401, C, NOT_AUTHENTICATED, ""),
        (K::UnusableRegistration, 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::Incomplete), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::UnknownType), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::Malformed), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::UnsupportedHeader), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::UnsupportedTyp), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::UnsupportedAlgorithm), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::AlgorithmMismatch), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::UnknownKey), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::AmbiguousKey), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::WrongSignature), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::MissingClaim), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::IssuerMismatch), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::SubjectMismatch), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::WrongAudience), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::Expired), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::NotYetValid), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::Lifetime), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::IdTooLong), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "jwt")]
        (K::Assertion(InvalidAssertion::Replayed), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "mtls")]
        (K::Certificate(CertificateError::Missing), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "mtls")]
        (K::Certificate(CertificateError::Mismatch), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "mtls")]
        (K::Certificate(CertificateError::Unverified), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "mtls")]
        (K::Certificate(CertificateError::Expired), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "mtls")]
        (
            K::Certificate(CertificateError::Malformed),
            400,
            R,
            "The client certificate cannot be read",
            "",
        ),
        #[cfg(feature = "mtls")]
        (
            K::Certificate(CertificateError::Repeated),
            400,
            R,
            "There must be one client certificate",
            "",
        ),
        #[cfg(feature = "unstable-attestation")]
        (
            K::Attestation(InvalidAttestation::Repeated),
            400,
            R,
            "There must be one client attestation with one proof of possession",
            "",
        ),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::Missing), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::ProofMissing), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::Malformed), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::UnsupportedHeader), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::UnsupportedTyp), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::UnsupportedAlgorithm), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::MissingClaim), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::InstanceKey), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::AttesterKey), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::Chain), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::WrongSignature), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::WrongProof), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (
            K::Attestation(InvalidAttestation::Stale),
            401,
            "use_fresh_attestation",
            "The client attestation is not fresh enough",
            "",
        ),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::NotYetValid), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::Lifetime), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::WrongAudience), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::ProofTime), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::IdTooLong), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (K::Attestation(InvalidAttestation::Replayed), 401, C, NOT_AUTHENTICATED, ""),
        #[cfg(feature = "unstable-attestation")]
        (
            K::Attestation(InvalidAttestation::Challenge),
            400,
            "use_attestation_challenge",
            "The proof of possession needs the challenge that comes with this answer",
            "",
        ),
        (K::ProviderMismatch, 401, C, NOT_AUTHENTICATED, ""),
        (K::Provider, 503, T, "Clients cannot be authenticated at the moment", ""),
        (K::ProviderTimeout, 503, T, "Clients cannot be authenticated at the moment", ""),
        (K::Verifier, 503, T, "Clients cannot be authenticated at the moment", ""),
        (K::ReplayStore, 503, T, "Clients cannot be authenticated at the moment", ""),
        (K::KeySource, 503, T, "Clients cannot be authenticated at the moment", ""),
        (K::MetadataDocument, 401, C, NOT_AUTHENTICATED, ""),
        (K::MetadataUnreachable, 503, T, "Clients cannot be authenticated at the moment", ""),
        (K::Overloaded, 503, T, "Clients cannot be authenticated at the moment", ""),
        (
            K::Panicked,
            500,
            "server_error",
            "The client could not be authenticated because of an internal error",
            "",
        ),
        (K::Throttled, 429, T, "There have been too many attempts", ""),
    ]
};

/// The kinds that only assertions come to: see `rfc7523.rs`.
pub(crate) const OF_ASSERTIONS: &[ErrorKind] = {
    use ErrorKind as K;
    &[
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::Incomplete),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::UnknownType),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::Malformed),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::UnsupportedHeader),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::UnsupportedTyp),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::UnsupportedAlgorithm),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::AlgorithmMismatch),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::UnknownKey),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::AmbiguousKey),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::WrongSignature),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::MissingClaim),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::IssuerMismatch),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::SubjectMismatch),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::WrongAudience),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::Expired),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::NotYetValid),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::Lifetime),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::IdTooLong),
        #[cfg(feature = "jwt")]
        K::Assertion(InvalidAssertion::Replayed),
        K::ReplayStore,
        K::KeySource,
    ]
};

/// The whole answer to a refusal before any look-up.
pub(crate) fn refused(kind: ErrorKind) -> Answer {
    let (_, status, code, description, header) =
        REFUSALS.iter().copied().find(|row| row.0 == kind).unwrap();
    let answer = Answer {
        status,
        headers: vec![
            ("cache-control".into(), "no-store".into()),
            ("content-type".into(), "application/json".into()),
            ("pragma".into(), "no-cache".into()),
        ],
        body: format!(r#"{{"error":"{code}","error_description":"{description}"}}"#),
        kind: Some(kind),
        lookups: Vec::new(),
        calls: Vec::new(),
    };
    match header {
        _ if status == 401 => answer.with("www-authenticate", CHALLENGE),
        _ if status == 503 => answer.with("retry-after", "1"),
        "" => answer,
        "allow" => answer.with("allow", "POST"),
        "accept" if kind == ErrorKind::NotGrpc => answer.with("accept", "application/grpc"),
        "accept" => answer.with("accept", FORM),
        other => answer.with(other, "identity"),
    }
}

/// The whole answer to a refusal after the provider was asked for `client_id`.
pub(crate) fn failed(kind: ErrorKind, client_id: &str) -> Answer {
    Answer { lookups: vec![client_id.into()], ..refused(kind) }
}

/// A list that several owners write to.
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Log<T> {
    pub(crate) fn push(&self, entry: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A provider that writes down what it is asked for.
pub(crate) struct Asked<P> {
    provider: P,
    lookups: Log<String>,
}

impl<P: ClientProvider> ClientProvider for Asked<P> {
    type Client = P::Client;
    type Error = P::Error;

    fn find_client(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<P::Client>>, P::Error>> + Send {
        self.lookups.push(client_id.to_owned());
        self.provider.find_client(client_id)
    }

    fn find_federated(
        &self,
        issuer: &str,
        subject: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<P::Client>>, P::Error>> + Send {
        self.lookups.push(format!("{issuer} {subject}"));
        self.provider.find_federated(issuer, subject)
    }
}

/// The inner service.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) calls: Log<Seen>,
}

impl<B> Service<Request<RequestBody<B>>> for Recorder
where
    B: Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody<B>>) -> Self::Future {
        let (head, body) = request.into_parts();
        let client = head.extensions.get::<AuthenticatedClient<App>>();
        let length = body.size_hint().exact().map(|length| usize::try_from(length).unwrap());
        let collected = run(body.collect()).unwrap();
        let trailers = collected.trailers().map(sorted).unwrap_or_default();
        self.calls.push(Seen {
            method: head.method.to_string(),
            uri: head.uri.to_string(),
            headers: sorted(&head.headers),
            authorization_is_sensitive: head
                .headers
                .get_all("authorization")
                .iter()
                .all(HeaderValue::is_sensitive),
            client: client.map(|client| {
                (client.client_id().into(), client.method().clone(), client.client().0.clone())
            }),
            length,
            body: collected.to_bytes(),
            trailers,
        });
        let mut response = Response::new(Full::from("from inside"));
        response.headers_mut().insert("x-inner", HeaderValue::from_static("called"));
        ready(Ok(response))
    }
}

pub(crate) type TestLayer<P = Clients> = ClientAuthLayer<Asked<P>>;

/// A layer, its recording service, and what both write down.
pub(crate) struct Harness<P = Clients> {
    pub(crate) layer: TestLayer<P>,
    lookups: Log<String>,
    calls: Log<Seen>,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::of(clients())
    }
}

impl<P: ClientProvider<Client = App>> Harness<P> {
    pub(crate) fn of(provider: P) -> Self {
        Self::with(provider, ClientAuthLayer::new)
    }

    /// A layer of another constructor.
    pub(crate) fn with(provider: P, new: fn(Asked<P>) -> TestLayer<P>) -> Self {
        let lookups = Log::default();
        let layer = new(Asked { provider, lookups: lookups.clone() }).clock(Clock::fixed(NOW));
        Self { layer, lookups, calls: Log::default() }
    }

    /// The same with another setting.
    pub(crate) fn set(mut self, change: impl FnOnce(TestLayer<P>) -> TestLayer<P>) -> Self {
        self.layer = change(self.layer);
        self
    }

    pub(crate) fn service(&self) -> tower_client_auth::ClientAuth<Recorder, Asked<P>> {
        self.layer.layer(self.recorder())
    }

    /// For a layer that was made of this one.
    pub(crate) fn recorder(&self) -> Recorder {
        Recorder { calls: self.calls.clone() }
    }

    pub(crate) fn ask(&self, ask: &TestRequest) -> Answer {
        self.send(ask.request())
    }

    pub(crate) fn send<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError> + std::fmt::Debug,
    {
        run(self.answer(request))
    }

    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes>,
        B::Error: Into<BoxError> + std::fmt::Debug,
    {
        let Ok(response) = self.service().oneshot(request).await;
        self.observe(response)
    }

    /// Forgets what has been written down so far.
    pub(crate) fn observe_nothing(&self) {
        self.lookups.take();
        self.calls.take();
    }

    pub(crate) fn observe<R>(&self, response: Response<R>) -> Answer
    where
        R: Body<Data = Bytes>,
        R::Error: std::fmt::Debug,
    {
        let (head, body) = response.into_parts();
        let length = body.size_hint().exact();
        let body = run(body.collect()).unwrap().to_bytes();
        assert_eq!(length, Some(body.len() as u64), "what the response promised");
        Answer {
            status: head.status.as_u16(),
            headers: sorted(&head.headers),
            body: body.escape_ascii().to_string().replace(r#"\""#, "\""),
            kind: head.extensions.get::<Error>().map(Error::kind),
            lookups: self.lookups.take(),
            calls: self.calls.take(),
        }
    }
}

/// The answer of a layer with default settings.
pub(crate) fn ask(ask: &TestRequest) -> Answer {
    Harness::new().ask(ask)
}

pub(crate) fn sorted(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), value.as_bytes().escape_ascii().to_string().replace(r#"\""#, "\""))
        })
        .collect();
    headers.sort();
    headers
}

/// Polls until the future is done. There is no runtime, because the layer needs none; what waits
/// for anything but itself fails the test.
pub(crate) fn run<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
    panic!("the future waits for something that does not come");
}
