//! Attestations and their proofs of possession, with fixed keys and signatures, as those of
//! [`assertions`](super::assertions).

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use serde_json::Value;
use tower_client_auth::{
    ClientAuthLayer, Clock, RegisteredClient,
    assertion::{ClientKeys, InvalidKeys},
    attestation::Attesters,
    provider::provider_fn,
};

use super::{
    assertions::{self, Forgetful, ISSUER, NOW, compact, decode, input},
    drive::Run,
    work::{self, Frames},
};

const ATTESTER_X: &str = "1xxIITq4xPd1CR8F8GxdLK2jEK2hYiWvrhbdCizkRC4";
const ATTESTER_Y: &str = "QCMfaC0gyIS85K-9FJP5zOv8GQnumA8Qt8Y2tAjoJPM";
const ATTESTATION_SIGNATURE: &str =
    "Ld_37_P_sfTFBExJjL8rbq4edMKt_g_Wh4IovxQgUSyLttSKlRHoGdZwdv6Vl3Rek4SuDztZV2xNzUsUVvgvHw";
const INSTANCE_X: &str = "QBSk79DZuXBNKph4A7v1wcCHihjOO-NDMNIW9vjR_Zk";
const INSTANCE_Y: &str = "8q_-ALFgwRvua8IsYD7w_KAlw0uGs9hqequB8fc3KaM";
const PROOF_SIGNATURE: &str =
    "TzH2F6si91QGH-SBG7uulkyVyN8fzEIwwmFWo8ETmD7E0eLVVGReoBvv3aEHQw99dZ7dWcOdnp0z7PQVyWeQWA";
const ATTESTATION_HEADER: &str = r#"{"typ":"oauth-client-attestation+jwt","alg":"ES256"}"#;
const PROOF_HEADER: &str = r#"{"typ":"oauth-client-attestation-pop+jwt","alg":"ES256"}"#;
const PROOF: &str = r#"{"aud":"https://as.example","iat":1900000000,"jti":"hV3k8mJ2bQ9xT7nL"}"#;
/// When the attestation ceases to be valid.
const EXPIRY: i64 = NOW + 3_600;

/// What is counted. All is signed with ES256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The verification of both signatures, and nothing else.
    Bare,
    /// A request with an attestation and its proof.
    Right,
    /// The same, after the attestation has expired.
    Expired,
    /// One with a made-up proof.
    WrongProof,
    /// One with a made-up attestation.
    WrongAttestation,
    /// The same, from an unknown client.
    UnknownClient,
    /// The same, from a client of another attester.
    OtherAttester,
    /// The same, from a client of another method.
    OtherMethod,
}

impl What {
    pub(crate) const ALL: [Self; 8] = [
        Self::Bare,
        Self::Right,
        Self::Expired,
        Self::WrongProof,
        Self::WrongAttestation,
        Self::UnknownClient,
        Self::OtherAttester,
        Self::OtherMethod,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Right => "right",
            Self::Expired => "expired",
            Self::WrongProof => "wrong proof",
            Self::WrongAttestation => "wrong",
            Self::UnknownClient => "no client",
            Self::OtherAttester => "other attester",
            Self::OtherMethod => "other method",
        }
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Bare | Self::Right => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    fn client(self) -> Option<RegisteredClient<()>> {
        match self {
            Self::UnknownClient => None,
            Self::OtherAttester => Some(RegisteredClient::attested("batch", "another", ())),
            Self::OtherMethod => Some(RegisteredClient::public("batch", ())),
            _ => Some(RegisteredClient::attested("batch", "wallets", ())),
        }
    }

    /// What is signed, and the signatures.
    fn signed(self) -> [(String, Vec<u8>); 2] {
        let [mut attested, mut proved] = [ATTESTATION_SIGNATURE, PROOF_SIGNATURE].map(decode);
        match self {
            Self::Bare | Self::Right | Self::Expired => {}
            Self::WrongProof => proved.rotate_left(1),
            _ => attested.rotate_left(1),
        }
        [(input(ATTESTATION_HEADER, &claims()), attested), (input(PROOF_HEADER, PROOF), proved)]
    }
}

fn claims() -> String {
    format!(
        r#"{{"sub":"batch","exp":{EXPIRY},"iat":{NOW},"cnf":{{"jwk":{{"kty":"EC","crv":"P-256","x":"{INSTANCE_X}","y":"{INSTANCE_Y}"}}}}}}"#
    )
}

/// What the attester signs with.
///
/// # Errors
///
/// If it cannot be read.
pub(crate) fn keys() -> Result<ClientKeys, InvalidKeys> {
    ClientKeys::from_jwks(&format!(
        r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{ATTESTER_X}","y":"{ATTESTER_Y}"}}]}}"#
    ))
}

/// The attestation, with certificates if there are any, and its proof: what is signed, and the signatures.
pub(crate) fn signed(certificates: Option<&Value>) -> [(String, Vec<u8>); 2] {
    let [without, proof] = What::Right.signed();
    let Some(Value::Object(chain)) = certificates else { return [without, proof] };
    let (x5c, signature) = (&chain["x5c"], chain["signature"].as_str().unwrap_or_default());
    let header = format!(r#"{{"typ":"oauth-client-attestation+jwt","alg":"ES256","x5c":{x5c}}}"#);
    [(input(&header, &claims()), decode(signature)), proof]
}

/// A form with both in its head, again and again.
pub(crate) fn request(
    signed: &[(String, Vec<u8>); 2],
    form: Bytes,
) -> impl Fn() -> Request<Frames> + use<> {
    let fields = signed.each_ref().map(|(input, signature)| compact(input, signature));
    move || {
        let mut request = work::request(None, Frames::split(form.clone(), usize::MAX));
        let names = ["oauth-client-attestation", "oauth-client-attestation-pop"];
        for (name, field) in names.into_iter().zip(&fields) {
            if let Ok(value) = HeaderValue::try_from(field) {
                request.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        request
    }
}

/// Something that can be measured once. Its first calls are over.
///
/// # Errors
///
/// What it answered instead.
pub(crate) fn prepare(what: What) -> Result<Run, String> {
    let [attestation, proof] = what.signed();
    if what == What::Bare {
        let of_attester = assertions::es256(ATTESTER_X, ATTESTER_Y);
        let of_instance = assertions::es256(INSTANCE_X, INSTANCE_Y);
        return assertions::bare(vec![
            (of_attester, attestation.0, attestation.1),
            (of_instance, proof.0, proof.1),
        ]);
    }
    let client = what.client();
    let provider = provider_fn(move |_: &str| ready(Ok::<_, Infallible>(client.clone())));
    let keys = keys().map_err(|error| error.to_string())?;
    let attesters = Attesters::new(ISSUER, Forgetful).map_err(|error| error.to_string())?;
    let now = if what == What::Expired { EXPIRY } else { NOW };
    let layer = ClientAuthLayer::new(provider)
        .clock(Clock::fixed(now))
        .attestation(attesters.trust("wallets", keys));
    let request = request(&[attestation, proof], Bytes::from("grant_type=client_credentials"));
    assertions::served(&layer, request, what.status())
        .map_err(|status| format!("{what:?}: {status}"))
}
