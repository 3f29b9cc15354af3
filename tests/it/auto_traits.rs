//! The auto traits, and the derived ones without bounds on the provider or the application's
//! client. Everything here is checked by the compiler (R63, R118).

use std::fmt::Debug;

use bytes::Bytes;
use http_body_util::Full;
use tower_client_auth::{
    AuthMethod, AuthenticatedClient, BoxError, ClientAuth, ClientAuthLayer, ClientMetadata,
    ClientProvider, ClientSecret, ConfigError, Error, ErrorKind, Outcome, RegisteredClient,
    ResponseFuture,
    body::{RequestBody, ResponseBody, WrappedBodies},
    provider::{
        BoxClientProvider, InvalidRecord, InvalidRegistration, MemoryProvider, ProviderFn,
        Throttled,
    },
    tenant::{TenantAuth, TenantLayer},
    throttle::{FailureThrottle, PeerAddress, Verdict},
};

/// A client and a provider that can do nothing but what is asked of them.
struct Bare;

impl ClientProvider for Bare {
    type Client = Self;
    type Error = BoxError;

    async fn find_client(&self, _: &str) -> Result<Option<RegisteredClient<Self>>, BoxError> {
        Ok(None)
    }
}

const fn send_sync_static<T: Send + Sync + 'static>() {}
const fn clone<T: Clone>() {}
const fn debug<T: Debug>() {}
const fn unpin<T: Unpin>() {}
const fn error<T: std::error::Error + Send + Sync + 'static>() {}

#[derive(Clone, Debug)]
struct Inner;

type Service = tower::util::BoxCloneSyncService<
    http::Request<RequestBody<Full<Bytes>>>,
    http::Response<Full<Bytes>>,
    BoxError,
>;

#[test]
fn public_types_are_send_and_sync() {
    send_sync_static::<ClientAuthLayer<Bare>>();
    send_sync_static::<ClientAuth<Inner, Bare>>();
    send_sync_static::<TenantLayer<Bare>>();
    send_sync_static::<TenantAuth<Inner, Bare>>();
    #[cfg(feature = "argon2")]
    send_sync_static::<tower_client_auth::secret::HashPool>();
    send_sync_static::<AuthenticatedClient<Bare>>();
    send_sync_static::<RegisteredClient<Bare>>();
    send_sync_static::<InvalidRegistration<Bare>>();
    send_sync_static::<MemoryProvider<Bare>>();
    send_sync_static::<BoxClientProvider<Bare>>();
    send_sync_static::<ProviderFn<fn(), Bare, Bare>>();
    send_sync_static::<ClientSecret>();
    send_sync_static::<ClientMetadata>();
    send_sync_static::<AuthMethod>();
    send_sync_static::<Error>();
    send_sync_static::<ErrorKind>();
    send_sync_static::<RequestBody<Full<Bytes>>>();
    send_sync_static::<ResponseBody<Full<Bytes>>>();
    send_sync_static::<WrappedBodies>();
    send_sync_static::<Outcome<'static>>();
    send_sync_static::<FailureThrottle>();
    #[cfg(feature = "mtls")]
    {
        use tower_client_auth::mutual_tls;

        send_sync_static::<mutual_tls::MutualTls>();
        send_sync_static::<mutual_tls::ClientCertificate>();
        send_sync_static::<mutual_tls::ClientCertificates>();
        send_sync_static::<mutual_tls::CertificateSubject>();
    }
    send_sync_static::<PeerAddress>();
}

// A server spawns it.
#[test]
fn future_is_send_if_the_inner_one_is() {
    const fn send<T: Send + 'static>() {}
    send::<ResponseFuture<Service, Bare, Full<Bytes>>>();
}

#[test]
fn handles_are_clone_without_bounds() {
    clone::<ClientAuthLayer<Bare>>();
    clone::<ClientAuth<Inner, Bare>>();
    clone::<AuthenticatedClient<Bare>>();
    clone::<RegisteredClient<Bare>>();
    clone::<BoxClientProvider<Bare>>();
    clone::<PeerAddress>();
    clone::<ClientSecret>();
    clone::<ClientMetadata>();
    clone::<Error>();
    clone::<InvalidRecord>();
}

#[test]
fn everything_is_debug_without_bounds() {
    debug::<ClientAuthLayer<Bare>>();
    debug::<ClientAuth<Inner, Bare>>();
    debug::<AuthenticatedClient<Bare>>();
    debug::<RegisteredClient<Bare>>();
    debug::<InvalidRegistration<Bare>>();
    debug::<MemoryProvider<Bare>>();
    debug::<BoxClientProvider<Bare>>();
    debug::<ProviderFn<fn(), Bare, Bare>>();
    debug::<RequestBody<Bare>>();
    debug::<ResponseBody<Bare>>();
    debug::<ResponseFuture<Service, Bare, Full<Bytes>>>();
    debug::<WrappedBodies>();
    debug::<Outcome<'static>>();
    debug::<FailureThrottle>();
    debug::<PeerAddress>();
    debug::<Verdict<'static>>();
    debug::<ClientSecret>();
    debug::<ClientMetadata>();
}

#[test]
fn wrappers_are_unpin_if_their_content_is() {
    unpin::<RequestBody<Full<Bytes>>>();
    unpin::<ResponseBody<Full<Bytes>>>();
}

#[test]
fn errors_are_errors() {
    error::<Error>();
    error::<ConfigError>();
    error::<InvalidRecord>();
    error::<InvalidRegistration<Bare>>();
    error::<Throttled>();
}

// R57: the ways in which a secret could be compared or written by mistake are closed.
#[test]
fn secret_is_neither_comparable_nor_serializable() {
    trait Nothing {
        const IS: bool = false;
    }
    impl<T> Nothing for T {}
    struct IsEq<T>(std::marker::PhantomData<T>);
    impl<T: PartialEq> IsEq<T> {
        const IS: bool = true;
    }
    struct IsDisplay<T>(std::marker::PhantomData<T>);
    impl<T: std::fmt::Display> IsDisplay<T> {
        const IS: bool = true;
    }
    struct IsSerialize<T>(std::marker::PhantomData<T>);
    impl<T: serde::Serialize> IsSerialize<T> {
        const IS: bool = true;
    }
    // The compiler takes the constant of the bounded impl if its bound holds.
    const { assert!(<IsEq<u8>>::IS && <IsDisplay<u8>>::IS && <IsSerialize<u8>>::IS) };
    const { assert!(!<IsEq<ClientSecret>>::IS) };
    const { assert!(!<IsDisplay<ClientSecret>>::IS) };
    const { assert!(!<IsSerialize<ClientSecret>>::IS) };
    const { assert!(!<IsSerialize<RegisteredClient<()>>>::IS) };
}
