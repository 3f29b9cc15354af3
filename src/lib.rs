// The first page shows axum, which only the package in tests/stacks compiles; it compiles the page, too.
#![cfg_attr(not(doctest), doc = include_str!("docs/crate.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod authenticate;
mod client;
mod compat;
mod error;
#[cfg(feature = "jwt")]
mod fetch;
#[cfg(any(doc, doctest))]
pub mod guide;
mod iana;
mod isolate;
#[cfg(feature = "jwt")]
mod jose;
mod layer;
mod method;
mod provider;
#[cfg(feature = "jwt")]
mod replay;
mod secret;
mod wire;

#[cfg(feature = "jwks-fetch")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwks-fetch")))]
pub use crate::fetch::https::HttpsJwksSource;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use crate::layer::axum::{AxumBodies, MissingClientAuth};
#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use crate::provider::cached::CachedProvider;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use crate::replay::redis::RedisReplayStore;
#[cfg(feature = "generate")]
#[cfg_attr(docsrs, doc(cfg(feature = "generate")))]
pub use crate::secret::generated::GeneratedSecret;
#[cfg(feature = "argon2")]
#[cfg_attr(docsrs, doc(cfg(feature = "argon2")))]
pub use crate::secret::phc::InvalidPhc;
pub use crate::{
    authenticate::AuthenticatedClient,
    client::{InvalidRegistration, RegisteredClient, metadata::ClientMetadata},
    error::{BoxError, Error, ErrorKind, Throttled},
    iana::AuthMethod,
    layer::{
        ClientAuthLayer,
        future::ResponseFuture,
        policy::{ConfigError, Outcome, SecretMatch},
        service::ClientAuth,
    },
    provider::{
        BoxClientProvider, ClientProvider, ProviderFn,
        memory::{InvalidRecord, MemoryProvider},
        provider_fn,
    },
    secret::{ClientSecret, presented::PresentedSecret},
    wire::body::{BodyMode, RequestBody, ResponseBody, WrappedBodies},
};
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub use crate::{
    fetch::jwks::{FetchedJwks, JwksCache, JwksSource},
    jose::keys::{ClientKeys, InvalidKeys},
    method::assertion::settings::Assertions,
    replay::{MemoryReplayStore, ReplayStore, ReplayStoreFull},
};
