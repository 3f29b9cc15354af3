//! The behaviour of the MCP Python SDK's `ClientAuthenticator`, for servers that switch over
//! without changing anything on the wire.
//!
//! The registered method of the client decides whether the header or the form is read; credentials
//! elsewhere are ignored. What would accept an unauthenticated caller, or take several secrets for
//! one, is not reproduced.

use std::{error, fmt, time::Duration};

use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA},
    request::Parts,
};

use crate::{
    client::RegisteredClient,
    error::{Error, kind::ErrorKind, problem::Problem},
    iana::AuthMethod,
    isolate::pool::Attempt,
    method::{Method, Registration, Settings, State, verification::Proof},
    secret::comparison::{self, Slow},
    wire::{
        authorization::{Authorization, Presence, basic_token},
        document::document,
        form::{self, Form},
        limits::Limits,
    },
};

/// Python decodes strictly padded base64. That it also skips characters outside the alphabet is not
/// reproduced (RFC 4648 §3.3).
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new());

/// The imitated endpoint: they answer differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Token,
    Revocation,
}

/// Everything that a request presents: the registered method decides which part counts.
pub(crate) struct Presented {
    client_id: String,
    basic: Result<(String, String), ErrorKind>,
    secret: String,
}

impl Presented {
    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The secret from the header or the form, as the method says.
    pub(super) fn secret(&self, method: Method) -> &str {
        match (method, &self.basic) {
            (Method::Basic, Ok((_, secret))) => secret,
            (Method::Post, _) => &self.secret,
            _ => "",
        }
    }
}

/// Reads header and form. Only what is never reproduced is an error here.
pub(super) fn extract(
    head: &Parts,
    authorization: Presence,
    form: &Form<'_>,
    limits: &Limits,
) -> Result<Presented, ErrorKind> {
    let basic = match Authorization::read(&head.headers, authorization) {
        Authorization::Repeated => return Err(ErrorKind::RepeatedAuthorization),
        Authorization::Absent => Err(ErrorKind::UnsupportedScheme),
        Authorization::Single(value) => {
            limits.check_credential(value)?;
            basic(value)
        }
    };
    let client_id = form.client_id.ok_or(ErrorKind::NoCredentials)?;
    let secret = form.client_secret.unwrap_or_default();
    limits.check_credential(client_id)?;
    limits.check_credential(secret)?;
    Ok(Presented {
        client_id: text(client_id, Plus::Space)?,
        basic,
        secret: text(secret, Plus::Space)?,
    })
}

fn basic(authorization: &[u8]) -> Result<(String, String), ErrorKind> {
    const MALFORMED: ErrorKind = ErrorKind::MalformedAuthorization;

    let token = match basic_token(authorization) {
        Ok([]) | Err(ErrorKind::UnsupportedScheme) => return Err(ErrorKind::UnsupportedScheme),
        token => token.map_err(|_list| MALFORMED)?,
    };
    let bytes = BASE64.decode(token).map_err(|_not_base64| MALFORMED)?;
    let colon = memchr::memchr(b':', &bytes).ok_or(MALFORMED)?;
    let (id, secret) = bytes.split_at_checked(colon).ok_or(MALFORMED)?;
    let secret = secret.get(1..).unwrap_or_default();
    let text = |half| text(half, Plus::Literal).map_err(|_not_text| MALFORMED);
    Ok((text(id)?, text(secret)?))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    Space,
    Literal,
}

/// Percent-decoding that takes a malformed escape literally. Python replaces invalid UTF-8 and lets
/// control characters pass, which is not reproduced.
fn text(encoded: &[u8], plus: Plus) -> Result<String, form::Malformed> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (byte, plus) {
            (b'+', Plus::Space) => b' ',
            (b'%', _) => match form::escape(after) {
                Some((decoded, after)) => {
                    rest = after;
                    decoded
                }
                None => byte,
            },
            _ => byte,
        });
    }
    form::has_escapes(&bytes)?;
    String::from_utf8(bytes).map_err(|_not_utf8| form::Malformed)
}

/// Checks as the SDK does, in its order, because its answers tell.
pub(super) async fn verify<C>(
    presented: &Presented,
    client: Option<&RegisteredClient<C>>,
    settings: &Settings,
    state: &State,
    timeout: Option<Duration>,
) -> Result<Proof, Error> {
    // The SDK's one second: a secret expires after the second that is named, not at it.
    let now = settings.clock.unix_seconds().saturating_sub(1);
    let attempt = Attempt { client_id: presented.client_id(), known: client.is_some(), cost: 0 };
    let slow = Slow { attempt, pool: &state.pool, timeout };
    let Some(client) = client else {
        // The same work as for a known client.
        let dummy = state.decoy.dummy();
        dummy.spend_slowly(&presented.secret, dummy.cost(), now, slow).await?;
        return Err(ErrorKind::UnknownClient.into());
    };
    let method = method(presented, client)?;
    settings.accept(method)?;
    let secret = presented.secret(method);
    let Some(secrets) = client.registration().secrets() else {
        return match method {
            Method::None => Ok(Proof { method, secret: None }),
            _ => Err(unusable(
                "Client is registered for secret-based authentication but has no stored secret"
                    .to_owned(),
            )),
        };
    };
    if secret.is_empty() {
        return Err(ErrorKind::MethodMismatch.into());
    }
    let matched = comparison::verify_slowly(secrets, secret, now, slow).await??;
    Ok(Proof { method, secret: Some(matched) })
}

/// The registered method, if it can be used and what it needs is there.
fn method<C>(presented: &Presented, client: &RegisteredClient<C>) -> Result<Method, Error> {
    if client.method_is_absent() {
        return Err(unusable("Unsupported auth method: None".to_owned()));
    }
    let basic = || match &presented.basic {
        Ok((id, _)) if *id == presented.client_id => Ok(Method::Basic),
        Ok(_) => Err(ErrorKind::ClientIdMismatch.into()),
        Err(kind) => Err((*kind).into()),
    };
    let registration = client.registration();
    let Registration::Unusable(problem) = registration else {
        return match registration {
            Registration::None => Ok(Method::None),
            Registration::Basic(_) => basic(),
            Registration::Post(_) => Ok(Method::Post),
            // The SDK knows no others.
            other => Err(unsupported(other.method().iana())),
        };
    };
    match &**problem {
        Problem::NoSecret { method: AuthMethod::ClientSecretBasic, .. } => basic(),
        Problem::NoSecret { method: AuthMethod::ClientSecretPost, .. } => Ok(Method::Post),
        Problem::NoSecret { method, .. }
        | Problem::Invalid(method, _)
        | Problem::UnsupportedMethod(method) => Err(unsupported(method)),
        Problem::PublicWithSecret => Err(ErrorKind::MethodMismatch.into()),
        Problem::Declared | Problem::NoClientId => Err(ErrorKind::UnknownClient.into()),
        Problem::ControlCharacter(_) => Err(unsupported(registration.method().iana())),
    }
}

fn unsupported(method: &AuthMethod) -> Error {
    unusable(format!("Unsupported auth method: {method}"))
}

/// What the SDK tells the caller. Any other cause is for the operator alone.
#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Told {}

fn unusable(message: String) -> Error {
    Error::with_source(ErrorKind::UnusableRegistration, Told(message).into())
}

/// The SDK's answer, if its authenticator has one: the text tells the reason, and there is no
/// challenge.
pub(super) fn answer(refused: &Error, endpoint: Endpoint) -> Option<Response<Bytes>> {
    let text = match refused.kind() {
        ErrorKind::NoCredentials | ErrorKind::UnsupportedMediaType => "Missing client_id",
        ErrorKind::UnknownClient | ErrorKind::ProviderMismatch => "Invalid client_id",
        ErrorKind::UnsupportedScheme => {
            "Missing or invalid Basic authentication in Authorization header"
        }
        ErrorKind::MalformedAuthorization => "Invalid Basic authentication header",
        ErrorKind::ClientIdMismatch => "Client ID mismatch in Basic auth",
        ErrorKind::MethodMismatch => "Client secret is required",
        ErrorKind::WrongSecret => "Invalid client_secret",
        ErrorKind::SecretExpired | ErrorKind::SecretNotYetValid => "Client secret has expired",
        ErrorKind::UnusableRegistration => {
            let told = error::Error::source(refused).and_then(|cause| cause.downcast_ref::<Told>());
            told.map_or("Invalid client_id", |told| &told.0)
        }
        _ => return None,
    };
    let code = match endpoint {
        Endpoint::Token => "invalid_client",
        Endpoint::Revocation => "unauthorized_client",
    };
    let mut response = Response::new(Bytes::from(document(code, text, "")));
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if endpoint == Endpoint::Token {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    }
    Some(response)
}
