//! A decision, as the hooks see it.

use std::{fmt, time::Duration};

use http::request::Parts;

use crate::{error::Error, iana::AuthMethod, method::mutual_tls::Certificate};

/// A decision of the layer, as [`on_outcome`](crate::ClientAuthLayer::on_outcome) sees it.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ClientAuthLayer, ClientMetadata, provider::MemoryProvider};
///
/// let clients = MemoryProvider::<ClientMetadata>::new();
/// let layer = ClientAuthLayer::new(clients).on_outcome(|outcome| {
///     let reason = outcome.error().map_or("success", |error| error.kind().as_str());
///     // counter!("client_auth", "method" => method, "reason" => reason).increment(1);
/// #   let _ = reason;
/// });
/// # drop(layer);
/// ```
pub struct Outcome<'a> {
    pub(crate) request: &'a Parts,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) other_client_id: Option<&'a str>,
    pub(crate) method: Option<&'static AuthMethod>,
    pub(crate) registered_method: Option<&'static AuthMethod>,
    pub(crate) secret_label: Option<&'a str>,
    pub(crate) has_key_in_header: bool,
    pub(crate) certificate: Option<&'a Certificate>,
    pub(crate) error: Option<&'a Error>,
    pub(crate) duration: Duration,
}

impl<'a> Outcome<'a> {
    /// One of which nothing else is known yet.
    pub(crate) const fn of(request: &'a Parts, error: Option<&'a Error>) -> Self {
        Self {
            request,
            client_id: None,
            other_client_id: None,
            method: None,
            registered_method: None,
            secret_label: None,
            has_key_in_header: false,
            certificate: None,
            error,
            duration: Duration::ZERO,
        }
    }

    /// The head of the request, for example for the address of the peer in its extensions. The
    /// `Authorization` header is marked sensitive.
    #[must_use]
    pub const fn request(&self) -> &'a Parts {
        self.request
    }

    /// The presented id, where the request has one that can be read. Unless it succeeded,
    /// any caller may have sent it, and anything: escape and cut it before it is logged. Of a client that was
    /// [found by issuer and subject](crate::ClientProvider::find_federated), and that the request does not name, it is the id of
    /// its registration; where there is none, it is the subject.
    ///
    /// There is none where the form was not read, such as after
    /// [`MethodNotAllowed`](crate::ErrorKind::MethodNotAllowed), and the header has none.
    #[must_use]
    pub const fn client_id(&self) -> Option<&'a str> {
        self.client_id
    }

    /// The `client_id` in the form, if that is another than in the credentials
    /// ([`ClientIdMismatch`](crate::ErrorKind::ClientIdMismatch)). It is as untrusted as
    /// [`client_id`](Self::client_id).
    #[must_use]
    pub const fn other_client_id(&self) -> Option<&'a str> {
        self.other_client_id
    }

    /// The method used, where the request uses one. A `client_id` alone is `none`, whatever the
    /// client is registered for. Beside a certificate only the registration tells which of `none` and the methods
    /// of mutual TLS it is, and the method is there if the request succeeded.
    #[must_use]
    pub const fn method(&self) -> Option<&'static AuthMethod> {
        self.method
    }

    /// The method that the client is registered for, if the provider returned one and its registration is usable.
    #[must_use]
    pub const fn registered_method(&self) -> Option<&'a AuthMethod> {
        self.registered_method
    }

    /// The [label](crate::ClientSecret::labelled) of the secret that authenticated the client, if it has one, to see
    /// when a client has changed over to its new secret.
    #[must_use]
    pub const fn secret_label(&self) -> Option<&'a str> {
        self.secret_label
    }

    /// Whether the header of an assertion brings a key or says where there is one (`jwk`, `jku`,
    /// `x5c`, `x5u`), if the request got as far as a look-up.
    ///
    /// It is ignored and not read, because keys come from the registration alone (RFC 8725 §3.10). A
    /// client that means its key to be taken from there fails, and this tells why.
    #[must_use]
    pub const fn has_key_in_header(&self) -> bool {
        self.has_key_in_header
    }

    /// Why the request was refused; `None` if it was not.
    ///
    /// Its [`source`](std::error::Error::source) says more, where there is more to say: what the provider said, what is
    /// wrong with the registration or with which parameter, which audience is accepted, or which setting is missing.
    #[must_use]
    pub const fn error(&self) -> Option<&'a Error> {
        self.error
    }

    /// How long it took from the arrival of the request's head to the decision, which includes the arrival of
    /// the form, the look-up and the verification. Zero if the [`clock`](crate::ClientAuthLayer::clock) panicked.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }
}

impl fmt::Debug for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of the request only what no caller can hide a credential in.
        f.debug_struct("Outcome")
            .field("path", &self.request.uri.path())
            .field("client_id", &self.client_id)
            .field("other_client_id", &self.other_client_id)
            .field("method", &self.method)
            .field("registered_method", &self.registered_method)
            .field("secret_label", &self.secret_label)
            .field("certificate", &self.certificate)
            .field("error", &self.error)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}
