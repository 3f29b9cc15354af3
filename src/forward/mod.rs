//! Forwarding: requests without the credentials of their client, which tell an upstream who it is.
//!
//! [`Forward`] are the settings, for [`ClientAuthLayer::forward`](crate::ClientAuthLayer::forward).
#![cfg_attr(
    any(doc, doctest),
    doc = "[`guide::forwarding`](crate::guide::forwarding) says what an upstream has to do."
)]

mod api;
mod encode;
mod headers;
#[cfg_attr(not(feature = "jwt"), path = "signed/disabled.rs")]
mod signed;

pub use self::encode::percent_encode;
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub use self::signed::IdentitySigner;

use std::mem;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, request::Parts};

use crate::{
    clock::Clock,
    error::{Error, config::ConfigError, kind::ErrorKind},
    forward::headers::Rewritten,
    iana::AuthMethod,
    isolate::guard,
    method::{self, mutual_tls::Certificate},
    wire::{body::RequestBody, names::Names, strip},
};

/// What an upstream gets to see of a client, for [`ClientAuthLayer::forward`](crate::ClientAuthLayer::forward).
///
/// **Credentials go.** `Authorization` of the scheme Basic, with `MutualTls` the
/// headers by which proxies tell of certificates (the one that is read, `Client-Cert`, `Client-Cert-Chain` and
/// `X-Forwarded-Client-Cert`; RFC 9440 §2.4), the two headers of an attestation where `Attesters` are set, and from a form `client_secret`, `client_assertion` and
/// `client_assertion_type` are removed. All other bytes of the form stay as they are, and a form without them is not
/// copied. Where it was changed `Content-Length` is that of the new form, if there was one, and
/// what no longer fits it is removed, in every spelling: `Content-Digest`, `Repr-Digest`, `Digest`, `Content-MD5`, `Expect`, a second
/// length such as `Content_Length`, and, as also without its `Authorization`, `Signature` and `Signature-Input` (RFC 9421). An `Authorization` of another scheme,
/// such as `Bearer`, stays, and so does what is in the URI.
///
/// **Identity headers cannot be forged.** Each name that is set here is removed from the headers and trailers of
/// every request, in every spelling that an upstream may take for it, such as `X_Client.Id`, and from what
/// `Connection` and `Trailer` list; then it is set, once. Where nobody is authenticated, as by a layer that is
/// [`optional`](crate::ClientAuthLayer::optional), it is removed all the same. `Connection` lists neither `Host` nor
/// `Content-Type` and its like any more, so that nothing further on drops them.
///
/// An upstream must be reachable through the layer alone, or verify a `signed` identity: to
/// whoever reaches it directly, headers are what he likes.
///
/// # Examples
///
/// ```
/// use tower_client_auth::{ConfigError, forward::Forward};
///
/// let forward = Forward::new().identity("x-client-id")?.auth_method("x-client-auth-method")?;
/// # drop(forward);
/// // `Host` is not for saying who the client is.
/// assert!(Forward::new().identity("host").is_err());
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Forward {
    keep_credentials: bool,
    ends_tls: bool,
    add_client_id: bool,
    client_id: Option<HeaderName>,
    auth_method: Option<HeaderName>,
    thumbprint: Option<HeaderName>,
    key_thumbprint: Option<HeaderName>,
    signed: Option<(HeaderName, signed::Signer)>,
    /// All of them.
    names: Names,
}

/// Who the client is, and how it authenticated.
struct Identity<'a> {
    client_id: &'a str,
    method: &'static AuthMethod,
    thumbprint: Option<&'a str>,
    key_thumbprint: Option<&'a str>,
}

/// The header fields that say so.
pub(crate) type Fields = Vec<(HeaderName, HeaderValue)>;

impl Forward {
    /// Removes credentials, and says nothing of the client.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the header `name` to the id of the client, [percent-encoded](percent_encode) where needed.
    ///
    /// A public client only says who it is: its upstream needs the [method](Self::auth_method), too, unless the layer
    /// [refuses](crate::ClientAuthLayer::refuse_public_clients) such clients.
    ///
    /// # Errors
    ///
    /// [`ConfigError::IdentityHeader`] if it is no name of a header, or one that has a meaning to HTTP or of credentials,
    /// such as `Host`, `Content-Length`, `Range`, `X-Forwarded-For` and `Authorization`, and
    /// [`ConfigError::RepeatedIdentityHeader`] if it is that of another setting here.
    pub fn identity(mut self, name: &str) -> Result<Self, ConfigError> {
        self.client_id = None;
        self.client_id = Some(self.checked(name)?);
        Ok(self.named())
    }

    /// Sets the header `name` to the method of the client, as in the IANA registry: `client_secret_basic`, or
    /// `none`, which any caller may be.
    ///
    /// # Errors
    ///
    /// Those of [`identity`](Self::identity).
    pub fn auth_method(mut self, name: &str) -> Result<Self, ConfigError> {
        self.auth_method = None;
        self.auth_method = Some(self.checked(name)?);
        Ok(self.named())
    }

    /// Sets the header `name` to the SHA-256 of the client's certificate in base64url, as `x5t#S256` has it (RFC 8705
    /// §3.1), for upstreams that bind tokens to it. Without a certificate there is no such header.
    ///
    /// Only a layer with the setting `mutual_tls` knows certificates.
    ///
    /// # Errors
    ///
    /// Those of [`identity`](Self::identity).
    pub fn thumbprint(mut self, name: &str) -> Result<Self, ConfigError> {
        self.thumbprint = None;
        self.thumbprint = Some(self.checked(name)?);
        Ok(self.named())
    }

    /// Sets the header `name` to the SHA-256 thumbprint (RFC 7638) of the key that an attestation was about, for upstreams
    /// that bind grants to it (draft-ietf-oauth-attestation-based-client-auth-11 §10.3). Without an attestation there is no
    /// such header.
    ///
    /// Only a layer with the setting `attestation` knows attestations.
    ///
    /// # Errors
    ///
    /// Those of [`identity`](Self::identity).
    #[cfg(feature = "unstable-attestation")]
    #[cfg_attr(docsrs, doc(cfg(feature = "unstable-attestation")))]
    pub fn key_thumbprint(mut self, name: &str) -> Result<Self, ConfigError> {
        self.key_thumbprint = None;
        self.key_thumbprint = Some(self.checked(name)?);
        Ok(self.named())
    }

    /// Removes the headers by which proxies tell of certificates also without `MutualTls`, because who ends TLS must not hand on
    /// those of a caller (RFC 9440 §2.4): `Client-Cert`, `Client-Cert-Chain` and `X-Forwarded-Client-Cert`, in every spelling,
    /// and from trailers. Default: without `MutualTls` they stay, because they may be those of a proxy in front.
    #[must_use]
    pub fn ends_tls(mut self) -> Self {
        self.ends_tls = true;
        self.named()
    }

    /// Hands credentials on, as a layer without this setting does. Default: they are removed.
    ///
    /// For upstreams that authenticate clients themselves, until they do so no more.
    #[must_use]
    pub fn keep_credentials(self) -> Self {
        Self { keep_credentials: true, ..self }
    }

    /// Appends `client_id` to a form that has none, as it may be beside `Authorization` or an assertion. Default:
    /// it is not.
    ///
    /// For upstreams that read it from the form, as most token endpoints do. It is the id that was authenticated: a
    /// `client_id` in the form agrees with it or the request is refused. A body that is empty stays so, and so
    /// does one that is not read (`headers_only`, `grpc`).
    ///
    /// An upstream that takes other names for this one, as PHP does with `client.id`, has to go by the
    /// [header](Self::identity): a form may have them as well.
    #[must_use]
    pub fn add_client_id(self, added: bool) -> Self {
        Self { add_client_id: added, ..self }
    }

    /// Removes the body's part of what is not to be seen, and fixes the head of a request that is passed on without a
    /// client. That of an attempt stays as it came until it is decided.
    #[cold]
    pub(crate) fn receive<B>(
        &self,
        head: &mut Parts,
        body: &mut RequestBody<B>,
        client_id: Option<&str>,
        methods: &method::Settings,
    ) {
        let form = body.bytes().and_then(|form| self.rewrite(form, client_id));
        let is_rewritten = form.is_some();
        if let Some(form) = form {
            head.extensions.insert(Rewritten { length: form.len() });
            body.set_bytes(form.into());
        } else {
            // That of a layer further out, which is none of this one.
            head.extensions.remove::<Rewritten>();
        }
        if let Some(goes) = self.trailers(is_rewritten, methods) {
            *body = mem::take(body).without_trailers(&goes);
        }
        if client_id.is_none() {
            self.send(head, Fields::new(), methods);
        }
    }

    /// The form as the upstream gets it, unless it is as it was.
    fn rewrite(&self, form: &Bytes, client_id: Option<&str>) -> Option<Vec<u8>> {
        let stripped = if self.keep_credentials { None } else { strip::without_credentials(form) };
        match client_id {
            Some(client_id)
                if self.add_client_id && !form.is_empty() && !strip::has_client_id(form) =>
            {
                let mut form = stripped.unwrap_or_else(|| form.to_vec());
                if !form.is_empty() {
                    form.push(b'&');
                }
                form.extend_from_slice(b"client_id=");
                form.extend_from_slice(percent_encode(client_id).as_bytes());
                Some(form)
            }
            _ => stripped,
        }
    }

    /// What to tell of an authenticated client.
    ///
    /// # Errors
    ///
    /// If it cannot be signed.
    #[cold]
    pub(crate) fn identify(
        &self,
        client_id: &str,
        method: &'static AuthMethod,
        certificate: Option<&Certificate>,
        key_thumbprint: Option<&str>,
        clock: &Clock,
    ) -> Result<Fields, Error> {
        let thumbprint = certificate.map(Certificate::thumbprint);
        let identity = Identity { client_id, method, thumbprint, key_thumbprint };
        let signed = match &self.signed {
            Some((name, signer)) => {
                let now = guard::hook("clock", || clock.unix_seconds());
                let token = signer.token(&identity, now.ok_or(ErrorKind::Panicked)?);
                Some((name, token.ok_or(ErrorKind::Panicked)?))
            }
            None => None,
        };
        let mut fields = Fields::with_capacity(self.names.iter().len());
        // All of them are ASCII.
        let mut tell = |name: &HeaderName, value: Result<HeaderValue, _>| {
            fields.push((name.clone(), value.map_err(|_unfit| ErrorKind::Panicked)?));
            Ok::<_, Error>(())
        };
        if let Some(name) = &self.client_id {
            tell(name, HeaderValue::from_str(&percent_encode(client_id)))?;
        }
        if let Some(name) = &self.auth_method {
            let method = Bytes::from_static(method.as_str().as_bytes());
            tell(name, HeaderValue::from_maybe_shared(method))?;
        }
        if let (Some(name), Some(thumbprint)) = (&self.thumbprint, thumbprint) {
            tell(name, HeaderValue::from_str(thumbprint))?;
        }
        if let (Some(name), Some(thumbprint)) = (&self.key_thumbprint, key_thumbprint) {
            tell(name, HeaderValue::from_str(thumbprint))?;
        }
        if let Some((name, token)) = signed {
            tell(name, HeaderValue::try_from(token))?;
        }
        Ok(fields)
    }
}
