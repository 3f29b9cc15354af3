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
mod error;
mod form;
mod future;
#[cfg(any(doc, doctest))]
pub mod guide;
mod head;
mod iana;
mod layer;
mod memory;
mod metadata;
mod method;
mod policy;
mod provider;
mod response;
mod secret;
mod seed;
mod service;
#[cfg(feature = "tonic")]
mod tonic;
mod trace;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use crate::axum::{AxumBodies, MissingClientAuth};
#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use crate::cache::CachedProvider;
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
    policy::{ConfigError, Outcome},
    provider::{BoxClientProvider, ClientProvider, ProviderFn, provider_fn},
    secret::ClientSecret,
    service::ClientAuth,
};

/// The README must compile.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
