//! Where certificates come from, and which are believed (RFC 8705, RFC 9440).

use std::{any::type_name, fmt, sync::Arc};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, request::Parts};

use crate::{
    error::{BoxError, cause::Cause},
    fetch::jwks::JwksCache,
    wire::client_cert::ProxyHeader,
    x509::{certificate::ClientCertificate, invalid::InvalidCertificate},
};

/// As long as all headers of a request may be together for hyper's HTTP/2 server.
const CERTIFICATE_LIMIT: usize = 16 * 1024;

/// Where the certificate of a client comes from, for
/// [`ClientAuthLayer::mutual_tls`](crate::ClientAuthLayer::mutual_tls) (RFC 8705).
///
/// There is one source: the TLS connection, whose acceptor puts the certificate into the extensions of
/// each request, or a header that a reverse proxy sets. What any other header says is never read.
///
/// A certificate says who the client is only together with a `client_id` in the form. It is
///
/// - *verified*, if its chain leads to an authority that is trusted for client certificates.
///   `tls_client_auth` needs that, and a subject that the client is registered with;
/// - *unverified* otherwise. `self_signed_tls_client_auth` takes it as well, because the certificate
///   itself is registered.
///
/// Beside a secret or an assertion it authenticates nobody, and is handed on
/// ([`AuthenticatedClient::certificate`](crate::AuthenticatedClient::certificate)), to bind tokens to it (RFC
/// 8705 §3). One that cannot be read refuses the request whatever its method is: as if it were not there,
/// tokens would be issued unbound.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{
///     ClientAuthLayer, ClientMetadata, mutual_tls::MutualTls, provider::MemoryProvider,
/// };
///
/// let layer = ClientAuthLayer::new(MemoryProvider::<ClientMetadata>::new())
///     .mutual_tls(MutualTls::from_connection());
/// let metadata = serde_json::json!({
///     "token_endpoint_auth_methods_supported": layer.auth_methods_supported().collect::<Vec<_>>(),
///     "tls_client_certificate_bound_access_tokens":
///         layer.certificate_bound_access_tokens_supported(),
/// });
/// # drop(metadata);
/// ```
#[derive(Clone)]
pub struct MutualTls {
    pub(super) source: Source,
    pub(super) verified: Verified,
    pub(super) self_signed_validity: bool,
    pub(super) certificate_limit: usize,
    pub(super) remote: Option<JwksCache>,
}

type Predicate = dyn Fn(&Parts) -> bool + Send + Sync;
type Extension =
    dyn Fn(&Extensions) -> Option<Result<ClientCertificate, InvalidCertificate>> + Send + Sync;

#[derive(Clone)]
pub(super) enum Source {
    Connection,
    Extension {
        certificate: Arc<Extension>,
        is_there: fn(&Extensions) -> bool,
        absent: Arc<BoxError>,
    },
    Header {
        header: ProxyHeader,
        trusted: Arc<Predicate>,
    },
}

/// In the extensions of a request whose header is removed, because it did not come from the trusted hop.
#[derive(Clone)]
pub(super) struct Distrusted;

/// Which certificates in a header are verified.
#[derive(Clone, Debug)]
pub(super) enum Verified {
    Never,
    If(HeaderName, HeaderValue),
    Always,
}

impl MutualTls {
    /// Certificates of the connection: an extension of the request of the type
    /// [`ClientCertificate`], which the acceptor made once per connection.
    #[must_use]
    pub fn from_connection() -> Self {
        Self::new(Source::Connection)
    }

    /// Certificates of the connection, in an extension of another type: axum's `ConnectInfo`, tonic's
    /// `TlsConnectInfo`. `None` is no certificate.
    ///
    /// A certificate that is made here is hashed and read for each request.
    ///
    /// ```
    /// use tower_client_auth::mutual_tls::{ClientCertificate, MutualTls};
    ///
    /// /// What the acceptor of the application puts there: the certificates of the peer.
    /// #[derive(Clone)]
    /// struct Peer(Vec<Vec<u8>>);
    ///
    /// // Its TLS configuration takes only certificates whose chain is good, and shares its sessions with none
    /// // that takes others.
    /// let mutual_tls = MutualTls::from_extension(|peer: &Peer| {
    ///     peer.0.first().map(|der| ClientCertificate::verified(der.clone()))
    /// });
    /// # drop(mutual_tls);
    /// ```
    #[must_use]
    pub fn from_extension<T: Send + Sync + 'static>(
        certificate: impl Fn(&T) -> Option<Result<ClientCertificate, InvalidCertificate>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let absent = format!("the request has no extension of the type `{}`", type_name::<T>());
        Self::new(Source::Extension {
            certificate: Arc::new(move |extensions: &Extensions| {
                extensions.get::<T>().and_then(&certificate)
            }),
            is_there: |extensions| extensions.get::<T>().is_some(),
            absent: Arc::new(absent.into()),
        })
    }

    /// Certificates that a reverse proxy puts into a header, if `trusted` holds for the request: that it
    /// came from that proxy, by the address or better by the certificate of the connection. From anybody
    /// else the header is removed (RFC 9440 §4), and so is that of [`verified_if`](Self::verified_if).
    ///
    /// The proxy must remove or replace the header in *every* request, also where there is no certificate;
    /// [`guide::behind_a_proxy`](crate::guide::behind_a_proxy) shows how. Without
    /// [`verified_if`](Self::verified_if) or [`verified_by_proxy`](Self::verified_by_proxy) none is verified.
    ///
    /// ```
    /// use std::net::{IpAddr, SocketAddr};
    /// use http::{HeaderName, HeaderValue};
    /// use tower_client_auth::mutual_tls::{MutualTls, ProxyHeader};
    ///
    /// let proxy: IpAddr = [10, 0, 0, 7].into();
    /// let mutual_tls = MutualTls::from_header(ProxyHeader::client_cert(), move |request| {
    ///     // However the server tells the address of the peer.
    ///     request.extensions.get::<SocketAddr>().is_some_and(|peer| peer.ip() == proxy)
    /// })
    /// .verified_if(
    ///     HeaderName::from_static("x-client-verify"),
    ///     HeaderValue::from_static("SUCCESS"),
    /// );
    /// # drop(mutual_tls);
    /// ```
    #[must_use]
    pub fn from_header(
        header: ProxyHeader,
        trusted: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(Source::Header { header, trusted: Arc::new(trusted) })
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            verified: Verified::Never,
            self_signed_validity: false,
            certificate_limit: CERTIFICATE_LIMIT,
            remote: None,
        }
    }

    /// Where the proxy says that it verified the chain: the header is there once and has exactly this value, such
    /// as `SUCCESS` of nginx. Default: nowhere, and `tls_client_auth` is neither accepted nor announced.
    ///
    /// That there is a certificate says nothing: proxies pass on what they did not verify. The proxy must
    /// remove or replace this header in every request, too. It is read only when the hop is trusted; for certificates
    /// of the connection it is not read at all.
    #[must_use]
    pub fn verified_if(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { verified: Verified::If(name, value), ..self }
    }

    /// Takes every certificate in the header for verified: the proxy ends each handshake with one whose chain
    /// it cannot verify, as Envoy does that requires them. Default: see [`verified_if`](Self::verified_if).
    ///
    /// It is wrong for proxies that pass on what failed: nginx and Apache with `optional_no_ca`, HAProxy with
    /// `crt-ignore-err`, Traefik with `RequestClientCert` or `RequireAnyClientCert`, Envoy with
    /// `ACCEPT_UNTRUSTED`, an AWS load balancer in passthrough mode, Azure App Service.
    #[must_use]
    pub fn verified_by_proxy(self) -> Self {
        Self { verified: Verified::Always, ..self }
    }

    /// Also refuses a registered certificate (`self_signed_tls_client_auth`) outside its own validity.
    /// Default: it is good for as long as it is registered, as RFC 8705 §2.2 has no more.
    ///
    /// One of `tls_client_auth` is always refused then, also on a connection that was opened before.
    #[must_use]
    pub fn self_signed_validity(self, checked: bool) -> Self {
        Self { self_signed_validity: checked, ..self }
    }

    /// How many bytes the value of the proxy's header may have. Default: 16 KiB. A longer one is answered 400.
    #[must_use]
    pub fn certificate_limit(self, bytes: usize) -> Self {
        Self { certificate_limit: bytes, ..self }
    }

    /// Where the certificates of clients with a `jwks_uri` come from: a
    /// [`JwksSource`](crate::assertion::JwksSource), or a [`JwksCache`] around one, of which a clone
    /// may serve assertions, too. Default: nowhere, so that such clients never authenticate.
    #[must_use]
    pub fn jwks_source(self, source: impl Into<JwksCache>) -> Self {
        Self { remote: Some(source.into()), ..self }
    }

    /// What there is to say of a request without a certificate.
    pub(super) fn absence(&self, extensions: &Extensions) -> Option<Cause> {
        match &self.source {
            Source::Connection => Some(Cause::Advice(
                &"the request has no extension of the type `ClientCertificate`: the client presented none, or the \
                  acceptor does not put it there",
            )),
            Source::Extension { is_there, absent, .. } => {
                (!is_there(extensions)).then(|| Cause::Error(Arc::clone(absent)))
            }
            Source::Header { .. } => Some(Cause::Advice(match extensions.get() {
                Some(Distrusted) => {
                    &"there was a header with a certificate, but the request did not come from a trusted hop"
                }
                None => {
                    &"the request has no header with a certificate: the client presented none, or the proxy does not send it"
                }
            })),
        }
    }

    /// Why a certificate is not verified, where nobody has said it.
    pub(super) const fn unverified(&self) -> Cause {
        Cause::Advice(match &self.source {
            Source::Header { .. } => {
                &"the proxy did not say that it verified the chain: see `MutualTls::verified_if`"
            }
            Source::Connection | Source::Extension { .. } => {
                &"the acceptor asked no verifier: see `ClientCertificate::of` and `ClientCertificate::verified`"
            }
        })
    }

    /// Whether the proxy that set these says so. Of two values one would be the caller's.
    pub(super) fn says_verified(&self, headers: &HeaderMap) -> bool {
        match &self.verified {
            Verified::Never => false,
            Verified::If(name, value) => {
                let mut values = headers.get_all(name).iter();
                values.next() == Some(value) && values.next().is_none()
            }
            Verified::Always => true,
        }
    }

    /// The header in which the proxy says so.
    pub(super) const fn verified_header(&self) -> Option<&HeaderName> {
        match &self.verified {
            Verified::If(name, _) => Some(name),
            Verified::Never | Verified::Always => None,
        }
    }

    /// Whether a certificate can be a verified one.
    pub(super) const fn can_be_verified(&self) -> bool {
        !matches!((&self.source, &self.verified), (Source::Header { .. }, Verified::Never))
    }
}

impl fmt::Debug for MutualTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source: &dyn fmt::Debug = match &self.source {
            Source::Connection => &"connection",
            Source::Extension { .. } => &"extension",
            Source::Header { header, .. } => header,
        };
        f.debug_struct("MutualTls")
            .field("source", source)
            .field("verified", &self.verified)
            .field("self_signed_validity", &self.self_signed_validity)
            .field("certificate_limit", &self.certificate_limit)
            .field("jwks_source", &self.remote)
            .finish()
    }
}
