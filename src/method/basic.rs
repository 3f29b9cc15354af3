//! `client_secret_basic`: id and secret, each form-encoded, in an `Authorization: Basic` header
//! (RFC 6749 §2.3.1, RFC 7617 §2).

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    error::ErrorKind,
    iana::Method,
    layer::policy::Policy,
    method::Credentials,
    secret::{self, ClientSecret, Match, Verdict},
    wire::form::{self, Form},
};

/// RFC 4648 §3.3, §3.5: characters outside the alphabet and non-zero trailing bits are refused, or
/// several headers would carry one credential. Missing padding is harmless and some clients leave
/// it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn extract(
    authorization: &[u8],
    form: &Form<'_>,
    policy: &Policy,
) -> Result<Credentials, ErrorKind> {
    let token = token(authorization)?;
    super::accepted(Method::Basic, policy)?;
    super::within_limit(authorization, policy)?;
    let credentials = decode(token, policy)?;
    // RFC 6749 §3.2.1: `client_id` may stand in the body as well; alone it is no second method, but
    // it must not name another client.
    match form.client_id {
        None => Ok(credentials),
        Some(client_id) if form::equals(client_id, credentials.client_id())? => Ok(credentials),
        Some(_) => Err(ErrorKind::ClientIdMismatch),
    }
}

pub(super) fn verify(presented: &Credentials, secrets: &[ClientSecret], now: i64) -> Verdict {
    let decoded = secret::verify(secrets, presented.secret().as_bytes(), now);
    match &presented.raw_secret {
        Some(raw) => either(decoded, secret::verify(secrets, raw, now)),
        None => decoded,
    }
}

/// What counts of a password that may have been meant form-encoded or as it stands.
pub(super) fn either(decoded: Verdict, raw: Verdict) -> Verdict {
    let raw = raw.map(|matched| Match { raw: true, ..matched });
    match decoded {
        Err(ErrorKind::WrongSecret) => raw,
        Err(_) => raw.or(decoded),
        Ok(_) => decoded,
    }
}

/// Whether the scheme is Basic, whose name is case-insensitive (RFC 9110 §11.1).
pub(crate) fn is_basic(authorization: &[u8]) -> bool {
    let (scheme, rest) = authorization.split_at_checked(5).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"basic") && rest.first().is_none_or(|byte| *byte == b' ')
}

/// What follows the scheme and at least one space (RFC 9110 §11.4).
pub(crate) fn token(authorization: &[u8]) -> Result<&[u8], ErrorKind> {
    if !is_basic(authorization) {
        return Err(ErrorKind::UnsupportedScheme);
    }
    let rest = authorization.get(5..).unwrap_or_default();
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    Ok(rest.get(spaces..).unwrap_or_default())
}

fn decode(token: &[u8], policy: &Policy) -> Result<Credentials, ErrorKind> {
    const MALFORMED: ErrorKind = ErrorKind::MalformedAuthorization;

    // `decode` would ask for zeroed memory, which the allocator takes longer to find.
    let mut octets = Vec::with_capacity(base64::decoded_len_estimate(token.len()));
    BASE64.decode_vec(token, &mut octets).map_err(|_not_base64| {
        // RFC 9110 §5.3: several fields may arrive joined by commas.
        if token.contains(&b',') { ErrorKind::RepeatedAuthorization } else { MALFORMED }
    })?;
    // RFC 7617 §2: the user-id ends at the first colon, before anything is form-decoded.
    let id_length = memchr::memchr(b':', &octets).filter(|length| *length > 0).ok_or(MALFORMED)?;
    if !form::has_escapes(&octets).map_err(|_control| MALFORMED)? {
        return Credentials::new(Method::Basic, octets, id_length).ok_or(MALFORMED);
    }

    // RFC 6749 §2.3.1: both halves are form-encoded, once.
    let (id, secret) = octets.split_at_checked(id_length).ok_or(MALFORMED)?;
    let secret = secret.get(1..).unwrap_or_default();
    let mut text = Vec::with_capacity(octets.len());
    form::decode_into(id, &mut text).map_err(|_malformed| MALFORMED)?;
    let id_length = text.len();
    text.push(b':');
    let decoded = form::decode_into(secret, &mut text);
    let raw_secret = policy.raw_basic.then(|| Box::from(secret));
    if decoded.is_err() {
        // A secret that is not form encoding can only have been meant as it stands.
        raw_secret.as_ref().ok_or(MALFORMED)?;
        text.truncate(id_length + 1);
    }
    let credentials = Credentials::new(Method::Basic, text, id_length).ok_or(MALFORMED)?;
    Ok(Credentials { raw_secret, ..credentials })
}
