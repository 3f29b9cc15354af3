//! Assertions that somebody else issued than the client (RFC 7521 §4.2, RFC 7523 §3): the token of a workload. Who may
//! present it is for the registration to say, so all that it says is kept until that is known.

pub(in crate::method) mod metadata;
mod spiffe;
pub(crate) mod trust;

pub(in crate::method::assertion) use self::trust::Trusts;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{
    error::{Error, assertion::InvalidAssertion, cause::Cause, kind::ErrorKind},
    method::{
        Method,
        assertion::{
            Type,
            claims::{Claims, Times, check_id, present},
            fault::cut,
            federated::trust::{Name, Trust, expected},
            settings::Assertions,
        },
    },
    wire::form,
};

/// In front of an issuer where a client may be named, too.
const ISSUER: &str = "iss:";

/// What an assertion says that the client did not issue.
#[derive(Debug)]
pub(crate) struct Federated {
    assertion_type: Type,
    /// Whether the request names the client.
    named: bool,
    /// [`ISSUER`] and the issuer, a space and the subject, behind them the audience and the id, in one buffer.
    text: String,
    issuer: usize,
    subject: usize,
    audience: usize,
    /// Whether there is an audience, and only one.
    audiences: Result<(), InvalidAssertion>,
    times: Times,
    /// The client that was found by issuer and subject, if it was refused.
    found: OnceLock<Box<str>>,
}

impl Federated {
    /// What `claims` say, unless the client issued them.
    #[inline]
    pub(in crate::method::assertion) fn read(
        claims: &Claims<'_>,
        subject: &str,
        assertion_type: Type,
        client_id: Option<&[u8]>,
    ) -> Result<Option<Box<Self>>, InvalidAssertion> {
        // RFC 7523 §3: for client authentication both are the client_id.
        let is_own = match present(claims.iss.as_ref()) {
            Ok(issuer) => issuer == subject,
            // Such as a JWT-SVID, of which the `sub` is no id either.
            Err(_) => client_id.is_none_or(|id| form::equals(id, subject) == Ok(true)),
        };
        if is_own && assertion_type == Type::Jwt {
            return Ok(None);
        }
        Self::of_other(claims, subject, assertion_type, client_id.is_some()).map(Some)
    }

    #[inline(never)]
    fn of_other(
        claims: &Claims<'_>,
        subject: &str,
        assertion_type: Type,
        named: bool,
    ) -> Result<Box<Self>, InvalidAssertion> {
        let issuer = match assertion_type {
            Type::Jwt => claims.iss.as_ref().map_or("", |iss| &iss.0),
            // Whatever its `iss` is: the trust domain vouches for it.
            Type::Spiffe => {
                let end = spiffe::read(subject).ok_or(InvalidAssertion::Malformed)?;
                subject.get(..end).unwrap_or_default()
            }
        };
        if issuer.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(InvalidAssertion::Malformed);
        }
        let (audience, audiences) = match claims.audience() {
            Ok(audience) => (audience, Ok(())),
            Err(invalid) => ("", Err(invalid)),
        };
        let id = claims.jti.as_ref().map_or("", |jti| &jti.0);
        let length = ISSUER.len() + issuer.len() + 1 + subject.len() + audience.len() + id.len();
        let mut text = String::with_capacity(length);
        text.push_str(ISSUER);
        let mut add = |part: &str| {
            text.push_str(part);
            text.len()
        };
        let issuer = add(issuer);
        add(" ");
        let (subject, audience) = (add(subject), add(audience));
        add(id);
        Ok(Box::new(Self {
            assertion_type,
            named,
            text,
            issuer,
            subject,
            audience,
            audiences,
            times: claims.times(),
            found: OnceLock::new(),
        }))
    }

    /// Keeps the id of the client that was found, for whoever is told of its refusal.
    pub(in crate::method::assertion) fn set_found(&self, client_id: &str) {
        self.found.get_or_init(|| client_id.into());
    }

    pub(in crate::method::assertion) fn found(&self) -> Option<&str> {
        self.found.get().map(|client_id| &**client_id)
    }

    fn part(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn issuer(&self) -> &str {
        self.part(ISSUER.len(), self.issuer)
    }

    /// Whose ids they are, for the replay store: the issuer's, whichever client presents them. The subject is part of it,
    /// so that one workload cannot take the share of all.
    pub(super) fn workload(&self) -> &str {
        self.part(0, self.subject)
    }

    fn subject(&self) -> &str {
        self.part(self.issuer + 1, self.subject)
    }

    /// Issuer and subject, where nothing else tells who the client is.
    pub(in crate::method::assertion) fn name(&self) -> Option<(&str, &str)> {
        (!self.named).then(|| (self.issuer(), self.subject()))
    }

    /// The method that it belongs to, if it is signed with a private key.
    pub(in crate::method::assertion) const fn method(&self) -> Method {
        match self.assertion_type {
            Type::Jwt => Method::PrivateKeyJwt,
            Type::Spiffe => Method::SpiffeJwt,
        }
    }

    /// Who of those that the client trusts issued it.
    ///
    /// # Errors
    ///
    /// That none did, or none for this subject.
    pub(in crate::method::assertion) fn issued_by<'a>(
        &self,
        trusts: &'a Trusts,
    ) -> Result<&'a Trust, InvalidAssertion> {
        let (issuer, subject) = (self.issuer(), self.subject());
        let mut failure = InvalidAssertion::IssuerMismatch;
        for trust in trusts.iter() {
            let (is_issuer, is_subject) = match &trust.name {
                Name::Jwt { issuer: expected, subject: name } => {
                    (**expected == *issuer, **name == *subject)
                }
                Name::Spiffe { domain, pattern } => (
                    issuer.strip_prefix("spiffe://") == Some(domain),
                    spiffe::matches(pattern, subject),
                ),
            };
            if is_issuer && is_subject {
                return Ok(trust);
            }
            if is_issuer {
                failure = InvalidAssertion::SubjectMismatch;
            }
        }
        Err(failure)
    }

    /// Whom it is of, where that is what is wrong. Nobody has proved it, as nobody has a `client_id` that is refused.
    #[cold]
    pub(super) fn cause_of(&self, kind: ErrorKind) -> Option<Cause> {
        let ErrorKind::Assertion(
            InvalidAssertion::IssuerMismatch | InvalidAssertion::SubjectMismatch,
        ) = kind
        else {
            return None;
        };
        let issuer = match self.assertion_type {
            Type::Jwt => Some(cut(self.issuer())),
            // Its `iss`, if it has one, does not count.
            Type::Spiffe => None,
        };
        let subject = cut(self.subject());
        Some(Cause::Error(Arc::new(Box::new(Stated { issuer, subject }))))
    }

    /// Until when it is accepted.
    pub(super) fn validate(
        &self,
        trust: &Trust,
        settings: &Assertions,
        now: i64,
    ) -> Result<i64, Error> {
        let audience = trust.audience.as_deref().unwrap_or(&settings.issuer);
        match self.audiences {
            Ok(()) if self.part(self.subject, self.audience) == audience => {}
            Err(InvalidAssertion::MissingClaim) => {
                return Err(missing(&"`aud` is missing or empty"));
            }
            _ => {
                let wrong = Error::from(InvalidAssertion::WrongAudience);
                return Err(wrong.because(|_kind| Some(Cause::Error(expected(audience)))));
            }
        }
        let longest = trust.longest_lifetime.unwrap_or(settings.longest_lifetime);
        match self.times.validate(longest, now as f64) {
            Err(InvalidAssertion::MissingClaim) => Err(missing(&"`exp` is missing")),
            Err(invalid @ InvalidAssertion::Lifetime) => {
                Err(Error::from(invalid).because(|_kind| Some(Cause::Lifetime(longest))))
            }
            until => Ok(until?),
        }
    }

    /// The id that is to be claimed, so that it is used once.
    pub(super) fn id(&self) -> Result<&str, Error> {
        let jti = self.part(self.audience, self.text.len());
        if jti.is_empty() {
            return Err(missing(
                &"`jti` is missing or empty; tokens without one need `Trust::reusable`",
            ));
        }
        check_id(jti)?;
        Ok(jti)
    }
}

/// Whom an assertion is of, as it says.
#[derive(Debug)]
struct Stated {
    issuer: Option<Box<str>>,
    subject: Box<str>,
}

/// Both are what anybody may have sent.
impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, subject } = self;
        match issuer.as_deref() {
            None => write!(f, "the token has the `sub` {subject:?}"),
            Some("") => write!(f, "the token has no `iss`, and the `sub` {subject:?}"),
            Some(issuer) => {
                write!(f, "the token has the `iss` {issuer:?} and the `sub` {subject:?}")
            }
        }
    }
}

impl std::error::Error for Stated {}

#[cold]
fn missing(claim: &'static &'static str) -> Error {
    Error::from(InvalidAssertion::MissingClaim).because(|_kind| Some(Cause::Advice(claim)))
}

/// Who issued the assertion.
///
/// # Errors
///
/// That it is nobody whom the client trusts.
pub(super) fn issuer<'a>(
    federated: Option<&Federated>,
    trusts: &'a Trusts,
) -> Result<&'a Trust, InvalidAssertion> {
    // What the client issued itself is not what it is registered for.
    let federated = federated.ok_or(InvalidAssertion::IssuerMismatch)?;
    federated.issued_by(trusts)
}
