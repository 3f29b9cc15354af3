//! Assertions, with fixed keys and signatures: a signature that is made anew costs some
//! instructions more or less each time.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    hint::black_box,
};

use aws_lc_rs::{
    hmac,
    signature::{self, ParsedPublicKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, service_fn};
use tower_client_auth::{
    ClientAuthLayer, ClientProvider, ClientSecret, Clock, RegisteredClient,
    assertion::{Assertions, ClientKeys},
    body::RequestBody,
    provider::provider_fn,
    replay::ReplayStore,
};

use super::{
    drive::{self, Run},
    work::{self, Frames},
};

pub(crate) const NOW: i64 = 1_900_000_000;
pub(crate) const ISSUER: &str = "https://as.example";
const SECRET: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Of the client `batch`, until a minute after [`NOW`].
pub(crate) const CLAIMS: &str = r#"{"iss":"batch","sub":"batch","aud":"https://as.example","exp":1900000060,"iat":1900000000,"jti":"hV3k8mJ2bQ9xT7nL"}"#;

const EC_X: &str = "XQ7VBx1zIrzKcyscQGvjuaciDtiJx4HppdrkIT9a_8c";
const EC_Y: &str = "JpHjkcqtovHLRg_Orwce3fj-7-AN-hJpC21wivw1c2I";
const EC_SIGNATURE: &str =
    "IWqqzL-L27cyB29ahiQlhWHgd5aWyafNKS8Z_kPULtZqx-gwSK66LG9QDBuV_qFnX76GB6xaJunwOMRqrD00Ag";
const RSA_N: &str = "1uq_rxPzQpgckmSf54UkIfQR_AlaOIMB4OGdHD0Xh0J0LY8sfHD6_uCfVwZMHYT8Q27nir7Bq7\
    hlD46-jsPTsyh5Mc_S8a50Af54nkhA7sovFFNjUd5rP2Bl2nnUz0qeQmmdHE3HkOspd0gkm4A4qn4ykEdIPbPYmxUXOmqHz\
    kxzlaLSlkBWmnZGqf5sRVY--7OLL0wPXp4tY0o0FfGjZov16rAcgXWUemCqBnTsRCOixe1VaTUNwV0D9qOi4iPhl-eMEofK\
    kO_mHy4ve5CbM4IV0gwuIb0N_KtBg8wwT--0d6Majl0iHifVz4DV_A9u0jSmYhR7FhTggPlH1mRJBQ";
const RSA_SIGNATURE: &str = "dRMY05uVtb9y936Jf5Bvs3wyy6cRmGz_yxew9suPfKE0FzH8cr1YNo0GVqN7Lv1odx\
    EPYL8m_Zfztxwkal-62rOX4N6y-oXjs-je-5rFNysp8HHCv-VknK6V3df-JLcszgiCZ0Q2yNmeWnKYzsBC7MO5p7TP0fMZi\
    mgvBr-IUZeh6Ihm4ClarOWE_5OMLZBun71nS_Le1dyvV08CISFq6pfzshASJFtIz4yl8HNSzNMsdZZUZj7g1AqIwRZ-72LS\
    8xVImvnkZBt-HlopVL_Uq1u00SK6IpfNf0f4N2ALeKhLwFDVYF0-pWJwJLPBQf05bjSkHOOs1utcTX6OrMSz9w";

/// Of every kind, and of nobody.
const DECOYS: &str = include_str!("../../../src/method/assertion/decoy.json");

/// Takes the signing input and the signature.
pub(crate) type Check = Box<dyn Fn(&[u8], &[u8]) -> bool>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alg {
    Es256,
    Rs256,
    Hs256,
    /// These are only refused.
    Es384,
    Es512,
    EdDsa,
    Ps256,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The verification of the signature, and nothing else.
    Bare,
    /// A request with a secret, as long as the one with an assertion.
    Secret,
    /// A request with a right assertion.
    Right,
    /// One with a made-up signature.
    WrongSignature,
    /// The same, from an unknown client.
    UnknownClient,
    /// The same, from a client that has only keys for another algorithm.
    WrongAlgorithm,
    /// The same, with the id of a key that the client does not have.
    UnknownKey,
    /// The same, from a client whose keys are published, where nothing is fetched.
    NoSource,
    /// A made-up signature, and nothing that names the key.
    Nameless,
    /// The same, from an unknown client.
    NamelessUnknown,
    /// The same, from a client with two keys that fit.
    NamelessOfTwo,
}

impl Alg {
    pub(crate) const ALL: [Self; 3] = [Self::Es256, Self::Rs256, Self::Hs256];
    pub(crate) const REFUSED: [Self; 4] = [Self::Es384, Self::Es512, Self::EdDsa, Self::Ps256];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
        }
    }

    /// A client with a key of this name, or two.
    fn client(self, kid: u8, second: bool) -> Option<RegisteredClient<()>> {
        if self == Self::Hs256 {
            let secrets = [SECRET, "another secret of more than 32 bytes"].map(ClientSecret::plain);
            let secrets = secrets.into_iter().take(if second { 2 } else { 1 });
            return RegisteredClient::client_secret_jwt("batch", secrets, ()).ok();
        }
        let mark = match self {
            Self::Es256 => "P-256",
            Self::Es384 => "P-384",
            Self::Es512 => "P-521",
            Self::EdDsa => "Ed25519",
            _ => "RSA",
        };
        let decoy = DECOYS.lines().find(|line| line.contains(mark))?.trim_end_matches(',');
        let decoy = |kid: u8| format!(r#"{{"kid":"{kid}",{}"#, decoy.trim_start_matches('{'));
        let mut keys = match self {
            Self::Es256 => {
                format!(r#"{{"kty":"EC","crv":"P-256","x":"{EC_X}","y":"{EC_Y}","kid":"{kid}"}}"#)
            }
            Self::Rs256 => format!(r#"{{"kty":"RSA","e":"AQAB","n":"{RSA_N}","kid":"{kid}"}}"#),
            _ => decoy(kid),
        };
        if second {
            keys = [keys, decoy(3)].join(",");
        }
        let keys = ClientKeys::from_jwks(&format!(r#"{{"keys":[{keys}]}}"#)).ok()?;
        Some(RegisteredClient::private_key_jwt("batch", keys, ()))
    }

    /// The signing input, with this `kid`, and the signature of the one that has none.
    fn signed(self, kid: &str) -> (String, Vec<u8>) {
        let input = |kid| input(&format!(r#"{{"alg":"{}"{kid}}}"#, self.name()), CLAIMS);
        let signature = match self {
            Self::Es256 => decode(EC_SIGNATURE),
            Self::Rs256 => decode(RSA_SIGNATURE),
            Self::Hs256 => hmac::sign(&mac_key(), input("").as_bytes()).as_ref().to_vec(),
            Self::Es384 => vec![0x55; 96],
            // As numbers, they are in range.
            Self::Es512 => vec![1; 132],
            Self::EdDsa => vec![5; 64],
            Self::Ps256 => vec![0x55; 256],
        };
        (input(kid), signature)
    }

    fn bare(self) -> Check {
        match self {
            Self::Es256 => es256(EC_X, EC_Y),
            Self::Rs256 => rs256(RSA_N),
            Self::Hs256 => {
                let key = mac_key();
                Box::new(move |input, tag| hmac::verify(&key, input, tag).is_ok())
            }
            Self::Es384 | Self::Es512 | Self::EdDsa | Self::Ps256 => Box::new(|_, _| false),
        }
    }
}

/// With the key at this point.
pub(crate) fn es256(x: &str, y: &str) -> Check {
    let point = [vec![4], decode(x), decode(y)].concat();
    let key = ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).ok();
    Box::new(move |input, signature| {
        key.as_ref().is_some_and(|key| key.verify_sig(input, signature).is_ok())
    })
}

/// With this modulus, and the usual exponent.
pub(crate) fn rs256(n: &str) -> Check {
    let components = signature::RsaPublicKeyComponents { n: decode(n), e: vec![1, 0, 1] };
    let key = components.to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256).ok();
    Box::new(move |input, signature| {
        key.as_ref().is_some_and(|key| key.verify_sig(input, signature).is_ok())
    })
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    BASE64.decode(text).unwrap_or_default()
}

/// What is signed.
pub(crate) fn input(header: &str, claims: &str) -> String {
    format!("{}.{}", BASE64.encode(header), BASE64.encode(claims))
}

/// The form with what was signed.
pub(crate) fn form(input: &str, signature: &[u8]) -> String {
    format!(
        "grant_type=client_credentials&client_assertion_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={}",
        compact(input, signature)
    )
}

pub(crate) fn compact(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", BASE64.encode(signature))
}

fn mac_key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes())
}

impl What {
    pub(crate) const ALL: [Self; 11] = [
        Self::Bare,
        Self::Secret,
        Self::Right,
        Self::WrongSignature,
        Self::UnknownClient,
        Self::WrongAlgorithm,
        Self::UnknownKey,
        Self::NoSource,
        Self::Nameless,
        Self::NamelessUnknown,
        Self::NamelessOfTwo,
    ];
    /// What every algorithm is refused with, and as whom it should look.
    pub(crate) const REFUSED: [(Self, Self); 6] = [
        (Self::UnknownClient, Self::WrongSignature),
        (Self::WrongAlgorithm, Self::WrongSignature),
        (Self::UnknownKey, Self::WrongSignature),
        (Self::NoSource, Self::WrongSignature),
        (Self::NamelessUnknown, Self::Nameless),
        (Self::NamelessOfTwo, Self::Nameless),
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Secret => "secret",
            Self::Right => "right",
            Self::WrongSignature => "wrong",
            Self::UnknownClient => "no client",
            Self::WrongAlgorithm => "wrong alg",
            Self::UnknownKey => "no key",
            Self::NoSource => "no source",
            Self::Nameless => "no kid",
            Self::NamelessUnknown => "unknown",
            Self::NamelessOfTwo => "two keys",
        }
    }

    /// The clients that the provider knows.
    fn client(self, alg: Alg) -> Option<RegisteredClient<()>> {
        match self {
            Self::UnknownClient | Self::NamelessUnknown => None,
            Self::WrongAlgorithm => match alg {
                Alg::Es256 => Alg::Rs256.client(1, false),
                _ => Alg::Es256.client(1, false),
            },
            // What is signed stays the same: some verifications depend on it.
            Self::UnknownKey => alg.client(2, false),
            Self::NamelessOfTwo => alg.client(1, true),
            Self::Secret => {
                Some(RegisteredClient::secret_post("batch", [ClientSecret::plain(SECRET)], ()))
            }
            Self::NoSource => {
                let keys = ClientKeys::jwks_uri("https://client.example/jwks").ok()?;
                Some(RegisteredClient::private_key_jwt("batch", keys, ()))
            }
            _ => alg.client(1, false),
        }
    }

    fn form(self, alg: Alg) -> String {
        let kid = match self {
            Self::Right | Self::Secret | Self::Bare => "",
            Self::Nameless | Self::NamelessUnknown | Self::NamelessOfTwo => "",
            _ => r#","kid":"1""#,
        };
        let (input, mut signature) = alg.signed(kid);
        if !self.status().is_success() {
            signature.rotate_left(1);
        }
        let form = form(&input, &signature);
        if self != Self::Secret {
            return form;
        }
        let length = form.len();
        let form = format!(
            "grant_type=client_credentials&client_id=batch&client_secret={SECRET}&resource="
        );
        format!("{form:a<length$}")
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Bare | Self::Secret | Self::Right => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

/// Lets one assertion pass again and again.
pub(crate) struct Forgetful;

impl ReplayStore for Forgetful {
    type Error = Infallible;

    fn claim(
        &self,
        _client_id: &str,
        _jti: &str,
        _until: i64,
    ) -> impl Future<Output = Result<bool, Infallible>> + Send {
        let first: Ready<_> = ready(Ok(true));
        first
    }
}

async fn inner(_: Request<RequestBody<Frames>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("ok")))
}

/// Something that can be measured once. Its first calls are over.
///
/// # Errors
///
/// What it answered instead.
pub(crate) fn prepare(alg: Alg, what: What) -> Result<Run, String> {
    if what == What::Bare {
        let (input, signature) = alg.signed("");
        return bare(vec![(alg.bare(), input, signature)])
            .map_err(|problem| format!("{alg:?}: {problem}"));
    }
    let client = what.client(alg);
    let provider = provider_fn(move |_: &str| ready(Ok::<_, Infallible>(client.clone())));
    let assertions = Assertions::new(ISSUER, Forgetful).map_err(|error| error.to_string())?;
    let layer = ClientAuthLayer::new(provider).clock(Clock::fixed(NOW)).assertions(assertions);
    let form = Bytes::from(what.form(alg));
    let request = move || work::request(None, Frames::split(form.clone(), usize::MAX));
    served(&layer, request, what.status()).map_err(|status| format!("{alg:?}, {what:?}: {status}"))
}

/// One of these requests to a service behind the layer.
///
/// # Errors
///
/// The status, where it is another one.
pub(crate) fn served<P: ClientProvider>(
    layer: &ClientAuthLayer<P>,
    request: impl Fn() -> Request<Frames>,
    expected: StatusCode,
) -> Result<Run, StatusCode> {
    let mut service = layer.layer(service_fn(inner));
    for _ in 0..2 {
        let status = drive::exchange(&mut service, request());
        if status != expected {
            return Err(status);
        }
    }
    let mut request = Some(request());
    Ok(Box::new(move || {
        if let Some(request) = request.take() {
            black_box(drive::exchange(&mut service, request));
        }
    }))
}

/// The verification of these signatures, and nothing else.
///
/// # Errors
///
/// That one is wrong.
pub(crate) fn bare(signatures: Vec<(Check, String, Vec<u8>)>) -> Result<Run, String> {
    let run = move || {
        let is_right = |(check, input, signature): &(Check, String, Vec<u8>)| {
            check(black_box(input.as_bytes()), black_box(signature))
        };
        signatures.iter().all(is_right)
    };
    if run() && run() {
        Ok(Box::new(move || {
            black_box(run());
        }))
    } else {
        Err("a signature is wrong".to_owned())
    }
}
