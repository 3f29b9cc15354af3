//! Certificates of an attester, in front of claims that it did sign.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use tower_client_auth::{
    ClientAuthLayer, Clock, RegisteredClient,
    attestation::{Attesters, TrustAnchors},
    mutual_tls::CertificateSubject,
    provider::MemoryProvider,
    replay::MemoryReplayStore,
};

use crate::{
    ISSUER, NOW,
    attestation::{is_accepted, keys, sign, x},
};

const ROOT: &[u8] = include_bytes!("../chain/root.der");
/// Those that the authorities issued to the attester, and that are good from 2020 to 2099. All keys are those of RFC 8032
/// with seeds as in `attestation`.
const GOOD: [&[u8]; 3] = [
    include_bytes!("../chain/leaf.der"),
    include_bytes!("../chain/direct.der"),
    include_bytes!("../chain/purpose.der"),
];

fn layer() -> ClientAuthLayer<MemoryProvider<()>> {
    let replay = MemoryReplayStore::default().clock(Clock::fixed(NOW));
    let anchors = TrustAnchors::from_der([ROOT]).unwrap();
    let subject = CertificateSubject::dns("attester.example").unwrap();
    let attesters = Attesters::new(ISSUER, replay).unwrap().trust_anchors("a", anchors, subject);
    ClientAuthLayer::new(MemoryProvider::from_iter([RegisteredClient::attested("w", "a", ())]))
        .clock(Clock::fixed(NOW))
        .attestation(attesters)
}

/// Certificates, each behind its length in two bytes.
pub fn check(mut input: &[u8]) {
    let mut chain = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (certificate, others) = rest.split_at(length);
        chain.push(certificate);
        input = others;
    }
    let [attester, instance] = keys();
    let certificates: Vec<_> = chain.iter().map(|der| BASE64_STANDARD.encode(der)).collect();
    let typ = "oauth-client-attestation+jwt";
    let header = json!({"typ": typ, "alg": "EdDSA", "x5c": certificates});
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x(instance)});
    let claims = json!({"sub": "w", "iat": NOW, "exp": NOW + 60, "cnf": {"jwk": jwk}}).to_string();
    let signed = sign(attester, &header, claims.as_bytes());
    let proof = json!({"aud": ISSUER, "jti": "1", "iat": NOW}).to_string();
    let header = json!({"typ": "oauth-client-attestation-pop+jwt", "alg": "EdDSA"});
    let proven = sign(instance, &header, proof.as_bytes());
    let accepted = is_accepted(&layer(), signed.as_bytes(), proven.as_bytes());
    // What is signed of a certificate is all but its first 4 bytes and, for Ed25519, its last 74.
    let is_good = |leaf: &&[u8]| {
        let signed = GOOD.map(|good| &good[4..good.len() - 74]);
        signed.iter().any(|signed| leaf.windows(signed.len()).any(|part| part == *signed))
    };
    assert!(!accepted || chain.first().is_some_and(is_good), "nobody issued it");
}
