//! `client_secret_basic`: id and secret, each form-encoded, in an `Authorization: Basic` header
//! (RFC 6749 §2.3.1, RFC 7617 §2).

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use crate::{
    error::{cause::Fault, kind::ErrorKind},
    method::{Method, Settings, pair::Pair},
    secret::comparison::{Match, Verdict},
    wire::{
        authorization::basic_token,
        form::{self, Form},
        limits::Limits,
    },
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

/// For nearly all credentials, so that they cost no allocation.
const BUFFER: usize = 96;

/// The user-id and the password of the header.
pub(crate) struct Credentials {
    pair: Pair,
    /// The password as it was before form-decoding, if that made a difference and the settings ask
    /// for it.
    raw_secret: Option<Box<[u8]>>,
}

impl Credentials {
    pub(super) const fn pair(&self) -> &Pair {
        &self.pair
    }

    pub(super) fn raw_secret(&self) -> Option<&str> {
        std::str::from_utf8(self.raw_secret.as_deref()?).ok()
    }
}

pub(super) fn extract(
    authorization: &[u8],
    form: &Form<'_>,
    settings: &Settings,
    limits: &Limits,
) -> Result<Credentials, ErrorKind> {
    let token = basic_token(authorization)?;
    settings.accept(Method::Basic)?;
    limits.check_credential(authorization)?;
    let credentials = decode(token, settings.raw_basic)?;
    // RFC 6749 §3.2.1: `client_id` may be in the body as well; alone it is no second method, but
    // it must not name another client.
    match form.client_id {
        None => Ok(credentials),
        Some(client_id) if form::equals(client_id, credentials.pair.client_id())? => {
            Ok(credentials)
        }
        Some(_) => Err(ErrorKind::ClientIdMismatch),
    }
}

/// The user-id of a header that nothing is believed of, for the operator. It has nothing in common with
/// [`decode`], which is inlined where it is called once.
pub(super) fn client_id(authorization: &[u8]) -> Option<Box<str>> {
    let bytes = BASE64.decode(basic_token(authorization).ok()?).ok()?;
    let (id, _secret) = bytes.split_at_checked(memchr::memchr(b':', &bytes)?)?;
    Some(Box::from(&*form::decode(id).ok()?))
}

/// Why such a header is malformed, for the operator. It quotes nothing.
pub(super) fn fault(authorization: &[u8]) -> Option<&'static &'static str> {
    let token = basic_token(authorization).ok()?;
    let Ok(bytes) = BASE64.decode(token) else {
        return Some(
            &"what follows `Basic` is not base64: perhaps base64url, or a line break in it",
        );
    };
    let colon = memchr::memchr(b':', &bytes).filter(|colon| *colon > 0);
    let Some((id, secret)) = colon.and_then(|colon| bytes.split_at_checked(colon)) else {
        return Some(&"what is in the base64 has no id with a colon behind it");
    };
    let fault = [id, secret]
        .into_iter()
        .find_map(|half| form::decode(half).is_err().then(|| form::fault(half)));
    Some(match fault? {
        Fault::ControlCharacter => {
            &"id or secret has a control character, such as a line break at its end"
        }
        _ => {
            &"id and secret do not form-decode to UTF-8 (RFC 6749 §2.3.1): a `%` in either is sent as `%25`, or \
              `Compat::raw_basic` is set"
        }
    })
}

/// What counts of a password that may have been meant form-encoded or raw.
pub(super) fn either(decoded: Verdict, raw: Verdict) -> Verdict {
    let raw = raw.map(|matched| Match { raw: true, ..matched });
    match decoded {
        Err(ErrorKind::WrongSecret) => raw,
        Err(_) => raw.or(decoded),
        Ok(_) => decoded,
    }
}

fn decode(token: &[u8], keep_raw: bool) -> Result<Credentials, ErrorKind> {
    const MALFORMED: ErrorKind = ErrorKind::MalformedAuthorization;

    let malformed = || {
        // RFC 9110 §5.3: several fields may arrive joined by commas.
        if token.contains(&b',') { ErrorKind::RepeatedAuthorization } else { MALFORMED }
    };
    let (mut short, long);
    let bytes: &[u8] = if base64::decoded_len_estimate(token.len()) <= BUFFER {
        short = [0; BUFFER];
        let length = BASE64.decode_slice(token, &mut short).map_err(|_not_base64| malformed())?;
        short.get(..length).unwrap_or_default()
    } else {
        long = BASE64.decode(token).map_err(|_not_base64| malformed())?;
        &long
    };
    // RFC 7617 §2: the user-id ends at the first colon, before anything is form-decoded.
    let id_length = memchr::memchr(b':', bytes).filter(|length| *length > 0).ok_or(MALFORMED)?;
    if !form::has_escapes(bytes).map_err(|_control| MALFORMED)? {
        let pair = Pair::joined(bytes, id_length).ok_or(MALFORMED)?;
        return Ok(Credentials { pair, raw_secret: None });
    }

    // RFC 6749 §2.3.1: both halves are form-encoded, once.
    let (id, secret) = bytes.split_at_checked(id_length).ok_or(MALFORMED)?;
    let secret = secret.get(1..).unwrap_or_default();
    let id = form::decode(id).map_err(|_malformed| MALFORMED)?;
    let raw_secret = keep_raw.then(|| Box::from(secret));
    let secret = match form::decode(secret) {
        Ok(secret) => secret,
        // What is not form encoding can only have been meant raw.
        Err(_malformed) => raw_secret.as_ref().map(|_raw| "".into()).ok_or(MALFORMED)?,
    };
    Ok(Credentials { pair: Pair::new(&id, &secret), raw_secret })
}
