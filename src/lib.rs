#![doc = include_str!("docs/crate.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod authenticate;
#[cfg(feature = "axum")]
mod axum;
mod body;
#[cfg(feature = "cache")]
mod cache;
mod client;
mod deadline;
mod decoy;
mod error;
mod form;
mod future;
#[cfg(feature = "generate")]
mod generate;
mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
mod head;
mod iana;
#[cfg(feature = "jwt")]
mod jwt;
mod layer;
mod memory;
mod metadata;
mod method;
#[cfg(feature = "argon2")]
mod phc;
mod policy;
mod pool;
mod provider;
mod response;
mod secret;
mod seed;
mod service;
#[cfg(feature = "tonic")]
mod tonic;
mod trace;
mod verifier;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use crate::axum::{AxumBodies, MissingClientAuth};
#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use crate::cache::CachedProvider;
#[cfg(feature = "generate")]
#[cfg_attr(docsrs, doc(cfg(feature = "generate")))]
pub use crate::generate::GeneratedSecret;
#[cfg(feature = "jwks-fetch")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwks-fetch")))]
pub use crate::jwt::fetch::HttpsJwksSource;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use crate::jwt::redis::RedisReplayStore;
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub use crate::jwt::{
    Assertions, ClientKeys, FetchedJwks, InvalidKeys, JwksCache, JwksSource,
    replay::{MemoryReplayStore, ReplayStore, ReplayStoreFull},
};
#[cfg(feature = "argon2")]
#[cfg_attr(docsrs, doc(cfg(feature = "argon2")))]
pub use crate::phc::InvalidPhc;
pub use crate::{
    authenticate::AuthenticatedClient,
    body::{BodyMode, RequestBody, ResponseBody, WrappedBodies},
    client::{InvalidRegistration, RegisteredClient},
    error::{BoxError, Error, ErrorKind, Throttled},
    future::ResponseFuture,
    iana::AuthMethod,
    layer::ClientAuthLayer,
    memory::{InvalidRecord, MemoryProvider},
    metadata::ClientMetadata,
    policy::{ConfigError, Outcome, SecretMatch},
    provider::{BoxClientProvider, ClientProvider, ProviderFn, provider_fn},
    secret::ClientSecret,
    service::ClientAuth,
    verifier::PresentedSecret,
};

/// The README must compile.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
