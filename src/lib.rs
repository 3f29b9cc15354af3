// The first page shows axum, which only the package in tests/stacks compiles; it compiles the page, too.
#![cfg_attr(not(doctest), doc = include_str!("docs/crate.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The settings of `ClientAuthLayer` are documented in the order of these: those of `layer` first, of `compat` last.
mod layer;

mod client;
mod clock;
mod error;
#[cfg(feature = "jwt")]
mod fetch;
pub mod forward;
#[cfg(any(doc, doctest))]
pub mod guide;
mod iana;
mod isolate;
#[cfg(feature = "jwt")]
mod jose;
mod method;
pub mod provider;
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub mod replay;
pub mod secret;
pub mod throttle;
mod wire;
#[cfg(feature = "mtls")]
mod x509;

mod compat;

pub use crate::{
    client::{RegisteredClient, authenticated::AuthenticatedClient},
    clock::Clock,
    compat::Compat,
    error::{BoxError, Error, config::ConfigError, kind::ErrorKind},
    iana::{AuthMethod, metadata::ClientMetadata},
    layer::{ClientAuthLayer, future::ResponseFuture, outcome::Outcome, service::ClientAuth},
    provider::lookup::ClientProvider,
    secret::stored::ClientSecret,
    wire::{answer::OAuthError, limits::Limits},
};

/// Assertions: `private_key_jwt` and `client_secret_jwt` (RFC 7523 §2.2).
///
/// [`Assertions`](assertion::Assertions) are the settings, for
/// [`ClientAuthLayer::assertions`]; [`ClientKeys`](assertion::ClientKeys) are the keys of a client,
/// which a [`JwksSource`](assertion::JwksSource) fetches where they are published. With a
/// [`Trust`](assertion::Trust) somebody else issues the assertions: the platform that the client runs on.
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub mod assertion {
    #[cfg(feature = "jwks-fetch")]
    #[cfg_attr(docsrs, doc(cfg(feature = "jwks-fetch")))]
    pub use crate::fetch::https::HttpsJwksSource;
    pub use crate::{
        error::assertion::InvalidAssertion,
        fetch::jwks::{FetchedJwks, JwksCache, JwksSource},
        jose::{
            invalid::{InvalidKeys, OmittedKey},
            keys::ClientKeys,
        },
        method::assertion::{federated::trust::Trust, settings::Assertions},
    };
}

/// Attestations of wallets and mobile apps: `attest_jwt_client_auth`
/// (draft-ietf-oauth-attestation-based-client-auth).
///
/// [`Attesters`](attestation::Attesters) are the settings, for [`ClientAuthLayer::attestation`]. The draft is no RFC
/// yet: what is here may change in any release.
#[cfg(feature = "unstable-attestation")]
#[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation")))]
pub mod attestation {
    #[cfg(feature = "unstable-attestation-x5c")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation-x5c")))]
    pub use crate::method::attestation::x5c::anchors::TrustAnchors;
    pub use crate::{
        error::attestation::InvalidAttestation,
        method::attestation::{challenge::Challenges, settings::Attesters},
    };
}

/// Clients whose id is the URL of their metadata, as MCP clients have it
/// (draft-ietf-oauth-client-id-metadata-document).
///
/// [`MetadataDocuments`](metadata_documents::MetadataDocuments) is the handle, for
/// [`ClientAuthLayer::metadata_documents`] and for the authorization endpoint.
#[cfg(feature = "metadata-documents")]
#[cfg_attr(docsrs, doc(cfg(feature = "metadata-documents")))]
pub mod metadata_documents {
    #[cfg(feature = "redis")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
    pub use crate::fetch::store::redis::RedisDocumentStore;
    pub use crate::{
        error::document::DocumentError,
        fetch::{
            documents::{DocumentSource, FetchedDocument},
            store::{DocumentStore, StoredDocument},
        },
        provider::documents::{
            MetadataDocuments,
            api::{DocumentProvider, Made, Same},
        },
    };
}

/// What is counted and timed, for the recorder of the crate `metrics`.
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub mod metrics {
    pub use crate::layer::metrics::enable;
}

/// Mutual TLS: `tls_client_auth` and `self_signed_tls_client_auth` (RFC 8705).
///
/// [`MutualTls`](mutual_tls::MutualTls) are the settings, for
/// [`ClientAuthLayer::mutual_tls`]: where the [`ClientCertificate`](mutual_tls::ClientCertificate) of a
/// request comes from.
#[cfg(feature = "mtls")]
#[cfg_attr(docsrs, doc(cfg(feature = "mtls")))]
pub mod mutual_tls {
    #[cfg(feature = "rustls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
    pub use crate::x509::rustls::AnyClientCertificate;
    pub use crate::{
        error::certificate::CertificateError,
        method::mutual_tls::{certificates::ClientCertificates, settings::MutualTls},
        wire::client_cert::ProxyHeader,
        x509::{
            certificate::ClientCertificate,
            invalid::{InvalidCertificate, InvalidSubject},
            subject::CertificateSubject,
        },
    };
}

/// For axum: [`OAuthForm`](axum::OAuthForm), which extracts the parameters of a request, bodies of axum's type,
/// and the rejection of the extractor [`AuthenticatedClient`].
///
/// Beside `use tower_client_auth::*` the name `axum` means this module or the crate, and rustc asks which: write `::axum`
/// for the crate, or import by name.
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum {
    pub use crate::{
        layer::axum::{AxumBodies, MissingClientAuth},
        wire::oauth_form::OAuthForm,
    };
}

/// Many tenants, or issuers, behind one service: [`TenantLayer`](tenant::TenantLayer) chooses the
/// [`ClientAuthLayer`] of each request.
pub mod tenant {
    pub use crate::layer::tenant::{TenantAuth, TenantFuture, TenantLayer};
}

/// The bodies that the layer hands on and returns.
pub mod body {
    pub use crate::wire::{
        body::{RequestBody, ResponseBody},
        mode::{BodyMode, WrappedBodies},
    };
}
