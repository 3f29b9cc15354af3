//! The parameters of a request as an extractor of axum.

use std::ops::{Deref, DerefMut};

use axum_core::{
    extract::{
        FromRequest, Request,
        rejection::{BytesRejection, FailedToBufferBody},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body::Body;
use serde::de::DeserializeOwned;

use crate::{
    error::kind::ErrorKind,
    wire::{
        admission::{self, Rules, Source},
        answer::OAuthError,
        limits::Limits,
        parameters,
    },
};

/// The form of a request, read as the layer reads it, in a type of the application.
///
/// What [`axum::Form`](https://docs.rs/axum/latest/axum/struct.Form.html) answers with a text, this answers as an
/// OAuth endpoint has to, with an [`OAuthError`] (RFC 6749 §5.2), and it keeps the rules of §3.2:
///
/// - The request method must be POST and the body a form in UTF-8, or empty: 405 or 415 otherwise.
/// - A parameter without a value counts as absent.
/// - A parameter must not be repeated, unless its type is a sequence, as that of `resource` (RFC 8707 §2), or
///   it is not in the type at all and one of an extension. That holds where a
///   [`Compat`](crate::Compat) of the layer lets the last one count, too.
/// - `error_description` names the parameter that is missing, repeated or invalid, by its name in the type. No
///   value is in any answer.
///
/// Behind the layer the form is in memory already and is not copied. Without the layer it may have 1,024
/// parameters and be as large as axum's `DefaultBodyLimit` allows, which is 2 MB by default and answered 413; the
/// time that it takes to arrive is for a timeout further out.
///
/// # Examples
///
/// ```
/// use serde::Deserialize;
/// use tower_client_auth::{AuthenticatedClient, ClientMetadata, OAuthError, axum::OAuthForm};
///
/// #[derive(Deserialize)]
/// struct TokenRequest {
///     grant_type: String,
///     scope: Option<String>,
///     #[serde(default)]
///     resource: Vec<String>,
/// }
///
/// async fn token(
///     client: AuthenticatedClient<ClientMetadata>,
///     OAuthForm(request): OAuthForm<TokenRequest>,
/// ) -> Result<String, OAuthError> {
///     if request.grant_type != "client_credentials" {
///         return Err(OAuthError::UNSUPPORTED_GRANT_TYPE.description("Only client_credentials"));
///     }
///     Ok(format!("a token for {}", client.client_id()))
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[expect(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct OAuthForm<T>(pub T);

impl<T> Deref for OAuthForm<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for OAuthForm<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OAuthForm<T> {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OAuthError> {
        let (mut head, body) = request.into_parts();
        let (_, _, source) = admission::admit(&mut head, &Rules::default());
        let foreign = match source.map_err(OAuthError::repeat)? {
            Source::Form { foreign } => foreign,
            Source::Headers => None,
        };
        match foreign {
            Some(foreign) if body.size_hint().lower() > 0 => {
                return Err(OAuthError::repeat(foreign));
            }
            _ => {}
        }
        let body = Bytes::from_request(Request::from_parts(head, body), state).await;
        let body = body.map_err(|rejection| OAuthError::repeat(kind(&rejection)))?;
        match foreign {
            Some(foreign) if !body.is_empty() => Err(OAuthError::repeat(foreign)),
            _ => parameters::read(&body, Limits::new().parameters).map(Self),
        }
    }
}

fn kind(rejection: &BytesRejection) -> ErrorKind {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            ErrorKind::BodyTooLarge
        }
        _ => ErrorKind::BodyRead,
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        Self::into_response(self)
    }
}
