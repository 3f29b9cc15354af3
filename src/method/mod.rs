//! The client authentication methods, one file each, named as in the IANA registry. Every file has
//! the same two functions: `extract` reads what was presented, `verify` holds it against what is
//! stored.

#[cfg(feature = "jwt")]
pub(crate) mod assertion;
mod basic;
pub(crate) mod decoy;
mod none;
mod post;

pub(crate) use self::basic::{is_basic, token as basic_token};

use std::fmt;

use http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    error::{Error, ErrorKind},
    iana::Method,
    layer::policy::Policy,
    secret::{self, ClientSecret, Verdict},
    wire::{
        admission::Presence,
        form::{self, Form},
    },
};

/// What exactly one method presented.
pub(crate) struct Credentials {
    method: Method,
    /// The id, and behind a colon the secret, as UTF-8. One buffer for both, because this is made
    /// for every request. It is not wiped: the same octets stand in the header or body, which
    /// belong to others.
    text: String,
    id_length: usize,
    /// The password of a Basic header as it was before form-decoding, if that made a difference
    /// and the policy wants to know.
    raw_secret: Option<Box<[u8]>>,
    /// What was read of the assertion that stands in the place of a secret.
    #[cfg(feature = "jwt")]
    assertion: Option<Box<assertion::read::Assertion>>,
}

impl Credentials {
    /// Takes `text` if it is UTF-8, as RFC 6749 Appendix B asks. The colon between the halves also
    /// keeps them apart as UTF-8: neither can complete a character of the other.
    fn new(method: Method, text: Vec<u8>, id_length: usize) -> Option<Self> {
        Some(Self {
            method,
            text: String::from_utf8(text).ok()?,
            id_length,
            raw_secret: None,
            #[cfg(feature = "jwt")]
            assertion: None,
        })
    }

    pub(crate) const fn method(&self) -> Method {
        self.method
    }

    pub(crate) fn client_id(&self) -> &str {
        self.text.get(..self.id_length).unwrap_or_default()
    }

    pub(crate) fn secret(&self) -> &str {
        self.text.get(self.id_length + 1..).unwrap_or_default()
    }

    pub(crate) fn raw_secret(&self) -> Option<&str> {
        std::str::from_utf8(self.raw_secret.as_deref()?).ok()
    }

    /// Holds the presented secret, if there is one, against `secrets`, none of which is slow.
    pub(crate) fn verify(&self, secrets: &[ClientSecret], now: i64) -> Verdict {
        match self.method {
            Method::None => none::verify(),
            Method::Basic => basic::verify(self, secrets, now),
            Method::Post => post::verify(self, secrets, now),
            // An assertion is no secret, whatever it is compared with.
            #[cfg(feature = "jwt")]
            Method::SecretJwt | Method::PrivateKeyJwt => none::verify(),
        }
    }

    #[cfg(feature = "jwt")]
    pub(crate) fn assertion(&self) -> Option<&assertion::read::Assertion> {
        self.assertion.as_deref()
    }

    /// As [`verify`](Self::verify), where some of the secrets are slow.
    ///
    /// # Errors
    ///
    /// If something failed that has nothing to do with what was presented.
    pub(crate) async fn verify_slowly(
        &self,
        secrets: &[ClientSecret],
        policy: &Policy,
    ) -> Result<Verdict, Error> {
        if self.method == Method::None {
            return Ok(none::verify());
        }
        let (now, patience) = (policy.now(), policy.provider_deadline);
        let verify =
            |presented| secret::verify_slowly(secrets, presented, now, &policy.pool, patience);
        let decoded = verify(self.secret()).await?;
        let Some(raw) = self.raw_secret() else { return Ok(decoded) };
        let raw = verify(raw).await?;
        Ok(basic::either(decoded, raw))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("method", &self.method).finish_non_exhaustive()
    }
}

/// The `Authorization` fields of a request.
#[derive(Clone, Copy)]
pub(crate) enum Authorization<'a> {
    Absent,
    One(&'a [u8]),
    Several,
}

impl<'a> Authorization<'a> {
    /// Finds the field, which is present as often as that.
    pub(crate) fn read(headers: &'a HeaderMap, presence: Presence) -> Self {
        match presence {
            Presence::Absent => Self::Absent,
            Presence::Once => {
                // There are few: going through them is quicker than hashing the name.
                let found = headers.iter().find(|(name, _)| *name == AUTHORIZATION);
                found.map_or(Self::Absent, |(_, value)| Self::One(value.as_bytes()))
            }
            Presence::Repeated => Self::Several,
        }
    }
}

/// Finds the one method that the request uses. All places are looked at before anything is read
/// from one of them: RFC 6749 §2.3, "The client MUST NOT use more than one authentication method in
/// each request".
pub(crate) fn extract(
    authorization: Authorization<'_>,
    form: &Form<'_>,
    policy: &Policy,
) -> Result<Credentials, ErrorKind> {
    // RFC 7521 §4.2: either parameter alone is an attempt, too.
    let assertion = form.client_assertion.or(form.client_assertion_type);
    match (authorization, form.client_secret, assertion) {
        // RFC 9110 §11.6.2: one field with one credential.
        (Authorization::Several, ..) => Err(ErrorKind::RepeatedAuthorization),
        (Authorization::Absent, None, None) => none::extract(form, policy),
        // A malformed header ends the request: falling back to another method would be a downgrade.
        (Authorization::One(value), None, None) => basic::extract(value, form, policy),
        (Authorization::Absent, Some(secret), None) => post::extract(secret, form, policy),
        #[cfg(feature = "jwt")]
        (Authorization::Absent, None, Some(_)) => assertion::extract(form, policy),
        #[cfg(not(feature = "jwt"))]
        (Authorization::Absent, None, Some(_)) => Err(ErrorKind::MethodNotAccepted),
        _ => Err(ErrorKind::MultipleMethods),
    }
}

pub(crate) fn within_limit(value: &[u8], policy: &Policy) -> Result<(), ErrorKind> {
    if value.len() > policy.credential_limit { Err(ErrorKind::CredentialTooLong) } else { Ok(()) }
}

fn accepted(method: Method, policy: &Policy) -> Result<(), ErrorKind> {
    if policy.methods.contains(method) { Ok(()) } else { Err(ErrorKind::MethodNotAccepted) }
}

/// Decodes the `client_id` and the `client_secret` of a form.
fn from_form(
    method: Method,
    client_id: &[u8],
    secret: Option<&[u8]>,
    policy: &Policy,
) -> Result<Credentials, ErrorKind> {
    within_limit(client_id, policy)?;
    within_limit(secret.unwrap_or_default(), policy)?;
    let mut text =
        Vec::with_capacity(client_id.len() + secret.map_or(0, |secret| secret.len() + 1));
    form::decode_into(client_id, &mut text)?;
    let id_length = text.len();
    if let Some(secret) = secret {
        text.push(b':');
        form::decode_into(secret, &mut text)?;
    }
    Credentials::new(method, text, id_length).ok_or(ErrorKind::MalformedParameter)
}

impl From<form::Malformed> for ErrorKind {
    fn from(_: form::Malformed) -> Self {
        Self::MalformedParameter
    }
}
