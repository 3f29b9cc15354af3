//! What is wrong with an attestation or its proof that cannot be read, for the operator. It is looked for once more when
//! somebody asks, and quotes nothing.

use std::str;

use http::HeaderMap;

use crate::{
    error::{attestation::InvalidAttestation, cause::Cause},
    jose::{
        compact::{self, Parts},
        header::Header,
    },
    method::attestation::{
        field,
        read::{AttestationClaims, Attested, present},
        settings::Attesters,
        x5c::Chain,
    },
    wire::attested,
};

/// Which of both it is.
#[derive(Clone, Copy)]
enum Token {
    Attestation,
    Proof,
}

/// The text of what is wrong with either of both.
macro_rules! told {
    ($token:expr, $wrong:literal) => {
        match $token {
            Token::Attestation => &concat!("the attestation ", $wrong),
            Token::Proof => &concat!("the proof ", $wrong),
        }
    };
}

/// Before anything is looked up.
#[cold]
pub(super) fn of(
    invalid: InvalidAttestation,
    headers: &HeaderMap,
    settings: &Attesters,
) -> Option<Cause> {
    let [attestation, proof] = &attested::FIELDS;
    let attestation = field(headers, attestation).ok()??;
    let proof = field(headers, proof).ok()??;
    // Both are decoded before one of them is read.
    let (token, text) = match (str::from_utf8(attestation), str::from_utf8(proof)) {
        (Err(_), _) => return Some(Cause::Advice(told!(Token::Attestation, "is not ASCII"))),
        (_, Err(_)) => return Some(Cause::Advice(told!(Token::Proof, "is not ASCII"))),
        (Ok(attestation), Ok(proof)) => match Attested::read(attestation, settings) {
            Err(_) => (Token::Attestation, attestation),
            Ok(_) => (Token::Proof, proof),
        },
    };
    let why = match invalid {
        InvalidAttestation::Malformed => malformed(token, text, settings),
        InvalidAttestation::UnsupportedHeader => {
            told!(token, "has `crit`, `b64`, `enc` or `zip` in its header")
        }
        InvalidAttestation::UnsupportedTyp => match token {
            Token::Attestation => {
                &"the `typ` of the attestation is not `oauth-client-attestation+jwt`"
            }
            Token::Proof => &"the `typ` of the proof is not `oauth-client-attestation-pop+jwt`",
        },
        InvalidAttestation::UnsupportedAlgorithm => {
            told!(token, "has an `alg` that is not accepted")
        }
        InvalidAttestation::MissingClaim => missing(text)?,
        InvalidAttestation::Chain => &"`x5c` of the attestation has more than 4 certificates",
        _ => return None,
    };
    Some(Cause::Advice(why))
}

/// The decoded parts of a token, of which the signature does not matter.
fn decoded(parts: &Parts<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let decode = |part| {
        let mut bytes = Vec::new();
        compact::decode(part, &mut bytes).map(|_range| bytes)
    };
    let (header, claims) = (decode(parts.header)?, decode(parts.claims)?);
    decode(parts.signature).map(|_signature| (header, claims))
}

fn malformed(token: Token, text: &str, settings: &Attesters) -> &'static &'static str {
    let Some(parts) = Parts::split(text).filter(|parts| !parts.signature.contains('.')) else {
        return told!(token, "has not the three parts of a signed JWT, with dots between them");
    };
    let Some((header, claims)) = decoded(&parts) else {
        return told!(token, "has a part that is not base64url without padding");
    };
    match compact::object::<Header<'_>>(Some(&header)) {
        None => {
            return told!(
                token,
                "has a header that is not an object in JSON, with each member once, and `alg`, `kid` and `typ` as text"
            );
        }
        Some(header) if header.alg.is_none() => return told!(token, "has no `alg`"),
        Some(_) => {}
    }
    match token {
        Token::Attestation => match compact::object::<AttestationClaims<'_>>(Some(&claims)) {
            None => {
                &"the claims of the attestation are not an object in JSON, with each member once, `sub` as text, `exp`, \
                  `nbf` and `iat` as numbers of seconds, and `cnf` as an object"
            }
            Some(_) if Chain::read(&header, &settings.issued).is_err() => {
                &"`x5c` of the attestation is not an array of certificates, each the base64 of its DER: neither base64url \
                  nor PEM, and an array also of one"
            }
            Some(_) => &"`sub` of the attestation has a control character",
        },
        Token::Proof => {
            &"the claims of the proof are not an object in JSON, with each member once, `aud`, `jti` and `challenge` as \
              text, and `exp`, `nbf` and `iat` as numbers of seconds"
        }
    }
}

/// Which of those of an attestation that are read before anything is looked up.
fn missing(text: &str) -> Option<&'static &'static str> {
    let mut bytes = Vec::new();
    compact::decode(Parts::split(text)?.claims, &mut bytes)?;
    let claims: AttestationClaims<'_> = compact::object(Some(&bytes))?;
    Some(match present(claims.sub.as_ref()) {
        None => &"`sub` of the attestation is missing or empty",
        Some(_) => &"`cnf` of the attestation is missing",
    })
}
