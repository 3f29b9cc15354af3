//! Assertions that somebody else issued than the client, with fixed keys and signatures. They are as long as those of
//! [`assertions`](super::assertions), so that nothing else differs.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
};

use bytes::Bytes;
use http::StatusCode;
use tower_client_auth::{
    ClientAuthLayer, ClientProvider, Clock, RegisteredClient,
    assertion::{Assertions, ClientKeys, Trust},
};

use super::{
    assertions::{self, Alg, Forgetful, ISSUER, NOW},
    drive::Run,
    work::{self, Frames},
};

const PLATFORM: &str = "ci.ex";
const SUBJECT: &str = "api:1";
const CLAIMS: &str = r#"{"iss":"ci.ex","sub":"api:1","aud":"https://as.example","exp":1900000060,"iat":1900000000,"jti":"hV3k8mJ2bQ9xT7nL"}"#;

const EC_X: &str = "uxSosph4C_DxzduETMPJmE-GPOh551EGv82ty7Sv-yk";
const EC_Y: &str = "0nZIRCpKi6SdR9rIdp2xaQaGZ4tcO7Ra3ThQlGhC1DE";
const EC_SIGNATURE: &str = "3olbKD45TrK1qWvUF-AaCoDUuMLXwtV_Lpn8fHPoWYki9wB15ro8c7E2yIEw9X1wSRGVsC\
    Eb8-aUzn6s4YR2Dg";
const RSA_N: &str = "vYbcjgJRez_AUs4iJTWzRAbRPbbeq3GGuCSk6v3ELU7OH30Q7V7HfBSvlZkKu1JLHjGhqN-FAJVuO\
    nPMMU3c8leCd9z-E4UijZyFKoOyjI5VE89zHJdCH6kHcnVofHn03qJeijNiV4QmnC4eXYF8M5JmGIbBjhhdBMuZAPryhZi\
    jsxMFAM4Rgx_wGaBgQLOSyVe_-PQOIJO4MS_8bqIQgk3WpFScqlre5e9iGjYwXKA1zINdtVS6LMmQ6ionO8C1oM7hLh3xM\
    uLefVrIWTsgmvC787_YAJ84HoGI_hY9ZvY4vmkNgILDzYpH15VrnsmKgfs-CQqHP9DUtRUNd5Zvkw";
const RSA_SIGNATURE: &str = "AqU0WAutuww5OtfG6VMhItivmPAI1r5dWcujw50CSJl23ZEn9c1r6QvpqGnoDWYTzBilJ\
    pSU_CcX6DoAoGQnoIAaWWU6lGfeqvdsJuWalwRTCbziyT-WhurRAb_ObDacva8-Wsljm51vYQyyqMLEwVmEYQnltzGsf3f\
    10tQmWBydGkV8Fa4-w6hg7JtAwZW3UHvNhZWHqlaawBHxeauUC-O-s2IjB_qTscfFKe3GzBnuvAJnfiLJto-uTTA1RfXWD\
    -Yy1aHHhgG1BGmfLHJLQ31_tUZKEhT6q9FyWlubrzIozvscUWskN0CekjXGdz-TgPTGky1o9NntykZ3eXqoXA";

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The verification of the signature, and nothing else.
    Bare,
    /// A request that names its client.
    Named,
    /// One whose client is found by issuer and subject.
    Found,
    /// The same, after the assertion has expired.
    Expired,
    /// The same, for a client whose tokens have another audience.
    WrongAudience,
    /// One with a made-up signature.
    WrongSignature,
    /// The same, by an issuer that no client trusts.
    UnknownIssuer,
    /// The same, by an issuer that the client does not trust.
    WrongIssuer,
    /// The same, about another subject.
    WrongSubject,
    /// The same, with the id of a key that the issuer does not have.
    UnknownKey,
    /// The same, from a client with keys of its own.
    OwnKeys,
    /// A made-up signature, from an unknown client.
    UnknownClient,
}

impl What {
    pub(crate) const ALL: [Self; 12] = [
        Self::Bare,
        Self::Named,
        Self::Found,
        Self::Expired,
        Self::WrongAudience,
        Self::WrongSignature,
        Self::UnknownIssuer,
        Self::WrongIssuer,
        Self::WrongSubject,
        Self::UnknownKey,
        Self::OwnKeys,
        Self::UnknownClient,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Named => "named",
            Self::Found => "found",
            Self::Expired => "expired",
            Self::WrongAudience => "wrong aud",
            Self::WrongSignature => "wrong",
            Self::UnknownIssuer => "no issuer",
            Self::WrongIssuer => "wrong iss",
            Self::WrongSubject => "wrong sub",
            Self::UnknownKey => "no key",
            Self::OwnKeys => "own keys",
            Self::UnknownClient => "no client",
        }
    }

    /// The client that the provider finds.
    fn client(self, alg: Alg) -> Option<RegisteredClient<()>> {
        let key = match alg {
            Alg::Rs256 => format!(r#""kty":"RSA","e":"AQAB","n":"{RSA_N}""#),
            _ => format!(r#""kty":"EC","crv":"P-256","x":"{EC_X}","y":"{EC_Y}""#),
        };
        let kid = if self == Self::UnknownKey { 2 } else { 1 };
        let keys =
            ClientKeys::from_jwks(&format!(r#"{{"keys":[{{{key},"kid":"{kid}"}}]}}"#)).ok()?;
        let trust = match self {
            Self::UnknownIssuer | Self::UnknownClient => return None,
            Self::OwnKeys => return Some(RegisteredClient::private_key_jwt("batch", keys, ())),
            Self::WrongIssuer => Trust::jwt("ci.eu", SUBJECT, keys),
            Self::WrongSubject => Trust::jwt(PLATFORM, "api:2", keys),
            Self::WrongAudience => {
                Trust::jwt(PLATFORM, SUBJECT, keys).audience("https://other.example")
            }
            _ => Trust::jwt(PLATFORM, SUBJECT, keys),
        };
        RegisteredClient::federated("batch", [trust], ()).ok()
    }

    const fn is_signed(self) -> bool {
        matches!(self, Self::Bare | Self::Named | Self::Found | Self::Expired | Self::WrongAudience)
    }

    /// The signing input and the signature.
    fn signed(self, alg: Alg) -> (String, Vec<u8>) {
        let kid = if self.is_signed() { "" } else { r#","kid":"1""# };
        let header = format!(r#"{{"alg":"{}"{kid}}}"#, alg.name());
        let mut signature = assertions::decode(match alg {
            Alg::Rs256 => RSA_SIGNATURE,
            _ => EC_SIGNATURE,
        });
        if !self.is_signed() {
            signature.rotate_left(1);
        }
        (assertions::input(&header, CLAIMS), signature)
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Bare | Self::Named | Self::Found => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

/// Finds the same client by whatever is asked for.
struct One(Option<RegisteredClient<()>>);

impl ClientProvider for One {
    type Client = ();
    type Error = Infallible;

    fn find_client(
        &self,
        _client_id: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<()>>, Infallible>> + Send {
        let found: Ready<_> = ready(Ok(self.0.clone()));
        found
    }

    fn find_federated(
        &self,
        _issuer: &str,
        _subject: &str,
    ) -> impl Future<Output = Result<Option<RegisteredClient<()>>, Infallible>> + Send {
        let found: Ready<_> = ready(Ok(self.0.clone()));
        found
    }
}

/// Something that can be measured once. Its first calls are over.
///
/// # Errors
///
/// What it answered instead.
pub(crate) fn prepare(alg: Alg, what: What) -> Result<Run, String> {
    let (input, signature) = what.signed(alg);
    if what == What::Bare {
        let check = match alg {
            Alg::Rs256 => assertions::rs256(RSA_N),
            _ => assertions::es256(EC_X, EC_Y),
        };
        return assertions::bare(vec![(check, input, signature)]);
    }
    let now = if what == What::Expired { NOW + 60 } else { NOW };
    let settings = Assertions::new(ISSUER, Forgetful).map_err(|error| error.to_string())?;
    let layer =
        ClientAuthLayer::new(One(what.client(alg))).clock(Clock::fixed(now)).assertions(settings);
    let mut form = assertions::form(&input, &signature);
    if matches!(what, What::Named | What::UnknownClient) {
        form.push_str("&client_id=batch");
    }
    let form = Bytes::from(form);
    let request = move || work::request(None, Frames::split(form.clone(), usize::MAX));
    assertions::served(&layer, request, what.status())
        .map_err(|status| format!("{alg:?}, {what:?}: {status}"))
}
