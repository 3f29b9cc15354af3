//! An attestation and its proof of possession, read before the client is known.

use std::sync::Arc;

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::{
    error::attestation::InvalidAttestation,
    jose::{
        alg::Algorithm,
        compact::{self, Parts},
        header::Header,
        json::{Audience, Date, Members, Object, Text, Value},
        key::Key,
    },
    method::attestation::{settings::Attesters, x5c::Chain},
};

const ATTESTATION_TYP: &str = "oauth-client-attestation+jwt";
/// RSA of 16,384 bits, or another key with its certificates.
const LONGEST_KEY: usize = 4 * 1024;
const PROOF_TYP: &str = "oauth-client-attestation-pop+jwt";

/// A signed JWT that is well-formed, and about which nothing else is known.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Box<str>>,
    /// The certificates of its key, of an attestation and where they matter.
    pub(super) chain: Option<Chain>,
    /// How much of the text is signed, from its beginning.
    signed: usize,
    pub(super) signature: Vec<u8>,
}

impl Token {
    /// The signing input within `compact`, from which the token was read (RFC 7515 §5.2).
    pub(super) fn signed<'a>(&self, compact: &'a str) -> &'a [u8] {
        compact.as_bytes().get(..self.signed).unwrap_or_default()
    }

    /// Reads the token, and hands its claims to `read`.
    fn read<T>(
        text: &str,
        typ: &str,
        settings: &Attesters,
        read: impl FnOnce(&[u8]) -> Result<T, InvalidAttestation>,
    ) -> Result<(Self, T), InvalidAttestation> {
        const MALFORMED: InvalidAttestation = InvalidAttestation::Malformed;

        let parts = Parts::split(text).ok_or(MALFORMED)?;
        let mut json = Vec::with_capacity(base64::decoded_len_estimate(text.len()));
        let header = compact::decode(parts.header, &mut json).ok_or(MALFORMED)?;
        let claims = compact::decode(parts.claims, &mut json).ok_or(MALFORMED)?;
        let mut signature = Vec::new();
        compact::decode(parts.signature, &mut signature).ok_or(MALFORMED)?;
        let json_of_header = json.get(header).unwrap_or_default();
        let header: Header<'_> = compact::object(Some(json_of_header)).ok_or(MALFORMED)?;
        let algorithm = validate(&header, typ, settings)?;
        let claims = read(json.get(claims).unwrap_or_default())?;
        let chain = match header.has_key && typ == ATTESTATION_TYP {
            true => Chain::read(json_of_header, &settings.issued)?,
            false => None,
        };
        let kid = header.kid.map(|kid| kid.0.into());
        let signed = parts.header.len() + 1 + parts.claims.len();
        Ok((Self { algorithm, kid, chain, signed, signature }, claims))
    }
}

/// What an attestation says of the client, and until when.
#[derive(Debug)]
pub(super) struct Attested {
    pub(super) client_id: Box<str>,
    /// That of the instance.
    pub(super) key: Arc<Key>,
    pub(super) exp: Option<f64>,
    pub(super) iat: Option<f64>,
    pub(super) nbf: Option<f64>,
}

impl Attested {
    pub(super) fn read(
        text: &str,
        settings: &Attesters,
    ) -> Result<(Token, Self), InvalidAttestation> {
        Token::read(text, ATTESTATION_TYP, settings, |json| {
            let claims: AttestationClaims<'_> =
                compact::object(Some(json)).ok_or(InvalidAttestation::Malformed)?;
            let sub = present(claims.sub.as_ref()).ok_or(InvalidAttestation::MissingClaim)?;
            // As for every other client id.
            if sub.bytes().any(|byte| byte.is_ascii_control()) {
                return Err(InvalidAttestation::Malformed);
            }
            let confirmation = claims.cnf.ok_or(InvalidAttestation::MissingClaim)?.0;
            // Whoever calls chooses how much there is to look through.
            let jwk = confirmation.jwk.filter(|jwk| jwk.get().len() <= LONGEST_KEY);
            let jwk = jwk.ok_or(InvalidAttestation::InstanceKey)?;
            // What is wrong with it may quote nothing, and says more than anybody needs.
            let key = Key::alone(jwk).map_err(|_reason| InvalidAttestation::InstanceKey)?;
            let seconds = |date: Option<Date>| date.map(|Date(seconds)| seconds);
            Ok(Self {
                client_id: sub.into(),
                key: Arc::new(key),
                exp: seconds(claims.exp),
                iat: seconds(claims.iat),
                nbf: seconds(claims.nbf),
            })
        })
    }

    /// Whether the key of the instance can have signed the proof. There is but this one, so that a `kid` says nothing.
    pub(super) fn check_algorithm(&self, proof: &Token) -> Result<(), InvalidAttestation> {
        let fits = self.key.is_for(proof.algorithm);
        if fits { Ok(()) } else { Err(InvalidAttestation::InstanceKey) }
    }
}

/// What a proof of possession says.
#[derive(Debug)]
pub(super) struct Proved {
    pub(super) audience: Result<(), InvalidAttestation>,
    pub(super) exp: Option<f64>,
    pub(super) iat: Option<f64>,
    pub(super) nbf: Option<f64>,
    pub(super) jti: Result<Box<str>, InvalidAttestation>,
    pub(super) challenge: Option<Box<str>>,
}

/// Long enough for two UUIDs and a URL, short enough for every store.
const LONGEST_ID: usize = 256;

impl Proved {
    pub(super) fn read(
        text: &str,
        settings: &Attesters,
    ) -> Result<(Token, Self), InvalidAttestation> {
        Token::read(text, PROOF_TYP, settings, |json| {
            let claims: ProofClaims<'_> =
                compact::object(Some(json)).ok_or(InvalidAttestation::Malformed)?;
            let seconds = |date: Option<Date>| date.map(|Date(seconds)| seconds);
            Ok(Self {
                audience: claims.judge_audience(settings),
                jti: claims.judge_id(),
                challenge: claims.challenge.map(|challenge| challenge.0.into()),
                exp: seconds(claims.exp),
                iat: seconds(claims.iat),
                nbf: seconds(claims.nbf),
            })
        })
    }
}

/// The text of a claim, unless it is missing or empty.
pub(super) fn present<'a>(claim: Option<&'a Text<'_>>) -> Option<&'a str> {
    claim.map(|claim| &*claim.0).filter(|text| !text.is_empty())
}

/// The algorithm, if the header may be that of a token of this type.
fn validate(
    header: &Header<'_>,
    typ: &str,
    settings: &Attesters,
) -> Result<Algorithm, InvalidAttestation> {
    let alg = header.alg.as_ref().ok_or(InvalidAttestation::Malformed)?;
    let algorithm = Algorithm::from_name(&alg.0)
        .filter(|algorithm| settings.algorithms.contains(*algorithm))
        .ok_or(InvalidAttestation::UnsupportedAlgorithm)?;
    if header.is_unsupported {
        return Err(InvalidAttestation::UnsupportedHeader);
    }
    if header.is_typ(typ) { Ok(algorithm) } else { Err(InvalidAttestation::UnsupportedTyp) }
}

#[derive(Default)]
pub(super) struct AttestationClaims<'a> {
    pub(super) sub: Option<Text<'a>>,
    exp: Option<Date>,
    iat: Option<Date>,
    nbf: Option<Date>,
    cnf: Option<Object<Confirmation<'a>>>,
}

impl<'de> Members<'de> for AttestationClaims<'de> {
    const USUAL: &'static [&'static str] = &["iss", "sub", "exp", "nbf", "iat", "cnf"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "sub" => self.sub = Some(value.parse()?),
            "exp" => self.exp = Some(value.parse()?),
            "nbf" => self.nbf = Some(value.parse()?),
            "iat" => self.iat = Some(value.parse()?),
            "cnf" => self.cnf = Some(value.parse()?),
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// RFC 7800 §3. Of its ways to name a key this is the only one here (-11 §4).
#[derive(Default)]
struct Confirmation<'a> {
    jwk: Option<&'a RawValue>,
}

impl<'de> Members<'de> for Confirmation<'de> {
    const USUAL: &'static [&'static str] = &["jwk"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "jwk" => self.jwk = Some(value.parse()?),
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ProofClaims<'a> {
    aud: Option<Audience<'a>>,
    exp: Option<Date>,
    iat: Option<Date>,
    nbf: Option<Date>,
    jti: Option<Text<'a>>,
    challenge: Option<Text<'a>>,
}

impl<'de> Members<'de> for ProofClaims<'de> {
    const USUAL: &'static [&'static str] =
        &["iss", "aud", "exp", "nbf", "iat", "jti", "challenge", "nonce"];

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: Value<'_, A>) -> Result<(), A::Error> {
        match name {
            "aud" => self.aud = Some(value.parse()?),
            "exp" => self.exp = Some(value.parse()?),
            "nbf" => self.nbf = Some(value.parse()?),
            "iat" => self.iat = Some(value.parse()?),
            "jti" => self.jti = Some(value.parse()?),
            "challenge" => self.challenge = Some(value.parse()?),
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl ProofClaims<'_> {
    /// -11 §5.1: the issuer identifier of the server, compared byte for byte, and no value beside it.
    fn judge_audience(&self, settings: &Attesters) -> Result<(), InvalidAttestation> {
        let is_right = match self.aud.as_ref().ok_or(InvalidAttestation::MissingClaim)? {
            Audience::One(value) => *value.0 == *settings.issuer,
            Audience::List(values) => match values.as_slice() {
                [] => return Err(InvalidAttestation::MissingClaim),
                [value] => !settings.string_audience && *value.0 == *settings.issuer,
                _ => false,
            },
        };
        if is_right { Ok(()) } else { Err(InvalidAttestation::WrongAudience) }
    }

    fn judge_id(&self) -> Result<Box<str>, InvalidAttestation> {
        let jti = present(self.jti.as_ref()).ok_or(InvalidAttestation::MissingClaim)?;
        if jti.len() > LONGEST_ID {
            return Err(InvalidAttestation::IdTooLong);
        }
        // Stores that keep text choke on some of them, and that must not be at the client's will.
        if jti.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(InvalidAttestation::Malformed);
        }
        Ok(jti.into())
    }
}
